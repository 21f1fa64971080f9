#!/usr/bin/env python3
"""Polyprompt and its peers on the same requests, one after another in each round.

    .build/peers-venv/bin/python benchmarks/peers/run.py --polyprompt .build/release/polyprompt

README.md says what is measured and how. The results go to benchmarks/results/peers.json and, as plots,
beside it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BATCH_SIZES = [1, 4, 8, 16, 32]
PRECISIONS = ["float32", "bfloat16", "int8"]
# glibc gives large blocks back to the system at once and takes them anew, page by page: engines that allocate for
# every batch spend half of their time on that. So they are let keep what they had.
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(4 << 30)}
PACKAGES = ["torch", "transformers", "ctranslate2", "openvino", "optimum-intel", "onnxruntime"]


class Peer:
    """One engine on the machine's processors: one process with all of them, or one process for each."""

    def __init__(self, name, root, workload, lengths, cores, split):
        self.name, self.lengths, self.split = name, lengths, split
        groups = [cores] if split == "together" else [[core] for core in cores]
        self.processes = [
            subprocess.Popen(
                [sys.executable, HERE / "worker.py", name, root, workload]
                + ["--cores", ",".join(map(str, group))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | ALLOCATION,
            )
            for group in groups
        ]
        for process in self.processes:
            self.answer_of(process)

    def answer_of(self, process):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {process.wait()}")
        return json.loads(line)

    def round(self, batch_size):
        """Answers every request once, in batches of similar lengths: seconds and answers in order.

        Batches are dealt out in turn, so that each process gets as much to do. The seconds are those of the
        process that took longest; sending the work and the answers is left out.
        """
        order = sorted(range(len(self.lengths)), key=lambda number: -self.lengths[number])
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        parts = [batches[number :: len(self.processes)] for number in range(len(self.processes))]
        for process, part in zip(self.processes, parts):
            process.stdin.write(json.dumps({"batches": part}) + "\n")
            process.stdin.flush()
        replies = [self.answer_of(process) for process in self.processes]
        answers = {int(key): value for reply in replies for key, value in reply["answers"].items()}
        seconds = max(reply["seconds"] for reply in replies)
        return seconds, [answers[number] for number in range(len(order))]

    def close(self):
        for process in self.processes:
            process.stdin.close()
            process.wait()


class Ours:
    """`polyprompt bench` on the same requests; it batches as it likes."""

    def __init__(self, executable, root, workload, cores, precision):
        self.name = precision
        self.command = ["taskset", "-c", ",".join(map(str, cores)), executable, "bench"]
        self.command += [json.loads(workload.read_text())["workload"], "--requests", workload]
        self.command += ["--core", root / "plain", "--threads", str(len(cores)), "--precision", precision]

    def round(self, _):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            subprocess.run(
                [*self.command, "--json", file.name], check=True, stdout=subprocess.DEVNULL
            )
            report = json.loads(Path(file.name).read_text())
        return report["seconds"], report["answers"]

    def close(self):
        pass


def best_setting(name, root, workload, lengths, cores):
    """The fastest batch size and split for a peer: two rounds each, the first to warm up.

    A setting whose first round takes half as long again as the fastest so far has no second one. The second
    split is tried with the first one's best size and its neighbours.
    """
    fastest = None
    sizes = [size for size in BATCH_SIZES if size <= len(lengths)]
    for split in ["apart", "together"] if len(cores) > 1 else ["together"]:
        if fastest is not None:
            best = sizes.index(fastest[2])
            sizes = sizes[max(0, best - 1) : best + 2]
        peer = Peer(name, root, workload, lengths, cores, split)
        for size in sizes:
            seconds = peer.round(size)[0]
            if fastest is None or seconds < 1.5 * fastest[0]:
                seconds = min(seconds, peer.round(size)[0])
            if fastest is None or seconds < fastest[0]:
                fastest = (seconds, split, size)
        peer.close()
    return fastest[1:]


def agreement(answers, reference):
    """How far answers agree with transformers in float32.

    For ids: the part of requests with the same first id and with all ids the same. For labels: the part
    with the same best label, and the largest difference of a probability.
    """
    pairs = list(zip(answers, reference, strict=True))
    if isinstance(reference[0][0], float):
        same = [numpy.argmax(ours) == numpy.argmax(theirs) for ours, theirs in pairs]
        worst = max(numpy.abs(numpy.subtract(ours, theirs)).max() for ours, theirs in pairs)
        return {"label": float(numpy.mean(same)), "largest_score_difference": float(worst)}
    return {
        "first_id": float(numpy.mean([ours[0] == theirs[0] for ours, theirs in pairs])),
        "all_ids": float(numpy.mean([ours == theirs for ours, theirs in pairs])),
    }


def check_same_work(name, answers, reference):
    """A peer that answers with fewer ids did less work, and its rate would mean nothing."""
    if [len(answer) for answer in answers] != [len(answer) for answer in reference]:
        raise RuntimeError(f"{name} gave answers of other lengths than transformers in float32")


def measure(options, core, name, root):
    import workloads
    from transformers import T5Config

    config = T5Config.from_pretrained(root / "plain")
    workload = workloads.make_workload(name, config, root, options.scale)
    lengths = [len(request["input_ids"]) for request in json.loads(workload.read_text())["requests"]]
    cores = options.cores
    runners, settings, failed = [], {}, {}
    for peer in options.peers:
        try:
            split, size = best_setting(peer, root, workload, lengths, cores)
            settings[peer] = {"split": split, "batch_size": size}
            runners.append((Peer(peer, root, workload, lengths, cores, split), size))
            print(f"{core} {name} {peer}: best {split} with batches of {size}", file=sys.stderr)
        except (RuntimeError, BrokenPipeError) as error:
            failed[peer] = str(error)
            print(f"{core} {name} {peer}: left out: {error}", file=sys.stderr)
    peer_names = [peer.name for peer, _ in runners]
    if options.polyprompt:
        runners += [(Ours(options.polyprompt, root, workload, cores, p), None) for p in PRECISIONS]

    seconds, answers = {runner.name: [] for runner, _ in runners}, {}
    for number in range(options.rounds + 1):
        for runner, size in runners:
            # Threads of the one before may still spin for a moment.
            time.sleep(options.pause)
            took, answers[runner.name] = runner.round(size)
            if number > 0:
                seconds[runner.name].append(took)
    for runner, _ in runners:
        runner.close()

    reference = answers["transformers-float32"]
    for each, given in answers.items():
        check_same_work(each, given, reference)
    rates = {each: len(lengths) / statistics.median(times) for each, times in seconds.items()}
    ours = {each: rate for each, rate in rates.items() if each not in peer_names}
    peers = {each: rates[each] for each in peer_names}
    fastest = max(peers.values())
    return {
        "workload": name,
        "core": core,
        "threads": len(cores),
        "requests": len(lengths),
        "ours": ours,
        "peers": peers,
        "ratio": {each: ours[each] / fastest for each in ["bfloat16", "int8"] if each in ours},
        "settings": settings,
        "failed": failed,
        "seconds": seconds,
        "agreement": {each: agreement(given, reference) for each, given in answers.items()},
        "processor": processor(),
        "instructions": instructions(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def instructions():
    """What the processor multiplies low precision with."""
    flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    known = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"]
    return [name for name in known if name in flags]


def store(entry, path):
    """Replaces the entry of the same workload, core, threads and processor."""

    def key(one):
        return one["core"], one["workload"], one["threads"], one["processor"]

    entries = json.loads(path.read_text()) if path.exists() else []
    entries = [one for one in entries if key(one) != key(entry)] + [entry]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sorted(entries, key=key), indent=2) + "\n")


def main():
    from engines import ENGINES

    def words(text):
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polyprompt", type=Path, help="executable; without it only the peers run")
    parser.add_argument("--models", type=words, default=["t5-small", "t5-base"], help="also: tiny")
    parser.add_argument("--workloads", type=words, default=["mixed", "classify", "generate"])
    parser.add_argument("--peers", type=words, default=list(ENGINES), help="with transformers-float32")
    parser.add_argument("--cores", type=lambda text: [int(one) for one in words(text)], default=[0, 1])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two engines")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the requests, for a quick try")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "benchmarks/results/peers.json")
    options = parser.parse_args()
    if "transformers-float32" not in options.peers:
        parser.error("transformers-float32 is what the others' answers are compared with")

    from cores import prepare

    for core in options.models:
        root = prepare(core, REPOSITORY / ".build/peers")
        for name in options.workloads:
            entry = measure(options, core, name, root)
            store(entry, options.output)
            print(json.dumps({key: entry[key] for key in ["core", "workload", "ours", "peers", "ratio"]}))
    from plot import plot

    plot(options.output)


if __name__ == "__main__":
    main()
