#!/usr/bin/env python3
"""A step of prompt tuning in Polyprompt and in torch with PEFT, on the same batch, in turns.

    .build/peers-venv/bin/python benchmarks/peers/training.py \\
      --polyprompt-train .build/release/polyprompt-train

README.md says what is measured and how. The results go to benchmarks/results/training.json and, as plots,
beside it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy

from run import REPOSITORY, instructions, processor, store
from workloads import FIRST_TEXT_ID, PROMPT_ROWS

HERE = Path(__file__).resolve().parent
PRECISIONS = ["bfloat16", "float32"]
PACKAGES = ["torch", "transformers", "peft"]
# Name: precision, and the rows that prompt and text are padded to where it is not the batch's longest.
PEERS = {
    "peft-bfloat16": ("bfloat16", None),
    "peft-bfloat16-512": ("bfloat16", 512),
    "peft-float32": ("float32", None),
}
REFERENCE = "peft-float32"
SEQUENCES, SHORTEST, LONGEST = 16, 16, 192
EOS = 1
# The largest relative difference of the first step's loss from the reference's: a few roundings of bfloat16.
LOSS_TOLERANCE = {"bfloat16": 0.01, "float32": 1e-4}


def make_batch(root):
    """Writes `train-step.json`: a prompt and 16 sequences with answers of 2 or 3 ids, from a fixed seed."""
    config = json.loads((root / "plain/config.json").read_text())
    random = numpy.random.default_rng(9)
    shape = (PROMPT_ROWS, config["d_model"])
    prompt = random.standard_normal(shape).astype(numpy.float32).tolist()

    def ids(fewest, most):
        length = int(random.integers(fewest, most + 1))
        return random.integers(FIRST_TEXT_ID, config["vocab_size"], length).tolist()

    sequences = [
        {"input_ids": ids(SHORTEST, LONGEST), "target_ids": [*ids(1, 2), EOS]} for _ in range(SEQUENCES)
    ]
    path = root / "train-step.json"
    path.write_text(json.dumps({"prompt": prompt, "sequences": sequences}))
    return path


class Peer:
    """torch and PEFT in a process that stays, and takes a step a round."""

    def __init__(self, name, root, batch, cores):
        self.name = name
        self.precision, rows = PEERS[name]
        command = [sys.executable, HERE / "trainer.py", root / "plain", batch, self.precision]
        command += ["--cores", ",".join(map(str, cores))]
        command += ["--rows", str(rows)] if rows else []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """`polyprompt-train bench`: a process a round, which takes an untimed step and a timed one."""

    def __init__(self, executable, root, batch, cores, precision):
        self.name = self.precision = precision
        self.command = ["taskset", "-c", ",".join(map(str, cores)), executable, "bench"]
        self.command += ["--core", root / "plain", "--threads", str(len(cores)), "--precision", precision]
        self.batch = batch

    def report(self, *arguments):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            subprocess.run(
                [*self.command, *arguments, "--json", file.name], check=True, stdout=subprocess.DEVNULL
            )
            return json.loads(Path(file.name).read_text())

    def round(self):
        report = self.report("--batches", self.batch, "--rounds", "1")
        return {key: report[key] for key in ["seconds", "memory"]} | {"loss": report["losses"][0]}

    def close(self):
        pass


def highest(memories):
    """The highest of each figure over the rounds; `None` where the system does not tell."""
    return {
        key: max((memory[key] for memory in memories if memory[key]), default=None)
        for key in ["peak_bytes", "step_peak_bytes"]
    }


def measure(options, core, root):
    batch = make_batch(root)
    cores = options.cores
    runners = [Ours(options.polyprompt_train, root, batch, cores, each) for each in PRECISIONS]
    runners += [Peer(name, root, batch, cores) for name in options.peers]
    replies = {runner.name: [] for runner in runners}
    for number in range(options.rounds + 1):
        for runner in runners:
            # Threads of the one before may still spin for a moment.
            time.sleep(options.pause)
            replies[runner.name].append(runner.round())
        print(f"{core}: round {number} of {options.rounds}", file=sys.stderr)
    for runner in runners:
        runner.close()

    # Every process's first round has the prompt as it was at the start, so that its loss must be the same.
    losses = {name: rounds[0]["loss"] for name, rounds in replies.items()}
    differences = {name: abs(loss / losses[REFERENCE] - 1) for name, loss in losses.items()}
    for runner in runners:
        if differences[runner.name] > LOSS_TOLERANCE[runner.precision]:
            raise RuntimeError(f"{runner.name} has another loss than {REFERENCE}: {losses}")
    # The first round is to warm up.
    seconds = {name: [reply["seconds"] for reply in rounds[1:]] for name, rounds in replies.items()}
    median = {name: statistics.median(times) for name, times in seconds.items()}
    memory = {name: highest([reply["memory"] for reply in rounds]) for name, rounds in replies.items()}
    bfloat16_peers = [name for name in options.peers if PEERS[name][0] == "bfloat16"]
    together = runners[0].report("--rounds", str(options.rounds))["together"]
    return {
        "workload": "train-step",
        "core": core,
        "threads": len(cores),
        "sequences": SEQUENCES,
        "ours": {name: median[name] for name in PRECISIONS},
        "peers": {name: median[name] for name in options.peers},
        "ratio": {name: median[name] / median["bfloat16"] for name in bfloat16_peers}
        | {REFERENCE: median[REFERENCE] / median["float32"]},
        "memory": memory,
        "memory_ratio": {
            key: {name: share(memory, name, key) for name in bfloat16_peers}
            for key in ["peak_bytes", "step_peak_bytes"]
        },
        "together": together,
        "agreement": {"first_loss": losses, "relative_difference": differences},
        "seconds": seconds,
        "processor": processor(),
        "instructions": instructions(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def share(memory, peer, key):
    """Ours in bfloat16 as a part of a peer's."""
    ours, theirs = memory["bfloat16"][key], memory[peer][key]
    return ours / theirs if ours and theirs else None


def main():
    def words(text):
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polyprompt-train", type=Path, required=True, help="executable")
    parser.add_argument("--models", type=words, default=["t5-base"], help="also: t5-small, tiny")
    parser.add_argument("--peers", type=words, default=list(PEERS), help=f"with {REFERENCE}")
    parser.add_argument("--cores", type=lambda text: [int(one) for one in words(text)], default=[0, 1])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two engines")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "benchmarks/results/training.json")
    options = parser.parse_args()
    if REFERENCE not in options.peers:
        parser.error(f"{REFERENCE} is what the others' losses are compared with")

    from cores import prepare

    for core in options.models:
        entry = measure(options, core, prepare(core, REPOSITORY / ".build/peers"))
        store(entry, options.output)
        kept = ["core", "ours", "peers", "ratio", "memory_ratio", "together"]
        print(json.dumps({key: entry[key] for key in kept}))
    from plot import plot

    plot(options.output)


if __name__ == "__main__":
    main()
