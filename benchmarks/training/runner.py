"""Does one job of the grid and says what came of it."""

import json
import platform
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import baselines
from core import CORE, REPOSITORY, trained_parameters
from data import TASKS_FOLDER, metric, read
from grid import TARGETS, Baseline, Ensemble, Fit, Transfer

# Tuned cores, some 45 MB each, are kept for these tasks only.
TRANSFERRED = {task for task, _ in TARGETS.values()}


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def sources():
    """The last commit that changed what the commands are built from."""
    command = ["git", "-C", REPOSITORY, "log", "-1", "--format=%h", "--", "Sources"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


class Runner:
    def __init__(self, options, data):
        self.train, self.serve = options.polyprompt_train, options.polyprompt
        self.threads, self.work, self.data = options.threads, options.work, data
        self.work.mkdir(parents=True, exist_ok=True)
        # What a run left that was cut off without a chance to clean up.
        for folder in self.work.glob("running-*"):
            shutil.rmtree(folder)
        self.machine = {"threads": self.threads, "processor": processor(), "sources": sources()}

    def run(self, job):
        """Scores and what else there is to know of the job; the seconds are those of all its processes."""
        does = {Baseline: self.baseline, Fit: self.fit, Transfer: self.transfer, Ensemble: self.ensemble}
        begin = time.perf_counter()
        outcome = does[type(job)](job)
        seconds = round(time.perf_counter() - begin, 2)
        return outcome | {"seconds": seconds} | self.machine

    def call(self, executable, *arguments):
        """Standard output and error of a command, which does not outlive this program's interruption."""
        command = [executable, *arguments, "--threads", self.threads]
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{errors}")
        return output, errors

    def baseline(self, job):
        return baselines.run(job, self.data, self.threads)

    def fit_command(self, fit, core, test, out):
        train = self.data.train(fit.task, fit.few_shot, fit.seed)
        command = ["fit", "--core", core, "--task", TASKS_FOLDER / f"{fit.task}.json", "--train", train]
        return [*command, "--dev", self.data.split(fit.task, "dev"), "--test", test, "--out", out]

    def fit(self, fit):
        """Trains. The folder appears in its place when all is done."""
        with tempfile.TemporaryDirectory(prefix="running-", dir=self.work) as temporary:
            out = Path(temporary) / "out"
            command = self.fit_command(fit, CORE, self.data.split(fit.task, "test"), out)
            command += ["--method", fit.method, "--learning-rate", fit.learning_rate, "--seed", fit.seed]
            command += ["--steps", fit.steps, "--batch", fit.batch, "--evaluate-every", fit.evaluate_every]
            if fit.method != "full":
                command += ["--rows", fit.rows, "--init", fit.init]
            _, errors = self.call(self.train, *command)
            settings = json.loads((out / "train.json").read_text())
            result = json.loads((out / "result.json").read_text())
            outcome = {
                "metric": metric(fit.task),
                "dev": result["dev"][metric(fit.task)],
                "test": result["test"][metric(fit.task)],
                "best_step": int(re.search(r" at step (\d+) of ", errors)[1]),
                "updates": result["steps"],
                "trained_parameters": trained_parameters(fit, settings),
            }
            if fit.method == "full":
                outcome["stored_bytes"] = (out / "core/model.safetensors").stat().st_size
                if fit.task not in TRANSFERRED or fit.few_shot:
                    shutil.rmtree(out / "core")
            folder = self.folder(fit)
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
            out.rename(folder)
        if fit.method != "full":
            shown = json.loads(self.shown(self.published(fit)))
            outcome |= {key: shown[key] for key in ["stored_bytes", "element_type"]}
        return outcome

    def folder(self, fit):
        return self.work / "runs" / fit.name

    def require(self, fit):
        """The folder of a finished training, which is trained again when it has been removed."""
        if not self.folder(fit).exists():
            self.fit(fit)
        return self.folder(fit)

    def published(self, fit):
        """The version of a trained prompt in the store; one that is there already keeps it."""
        arguments = ["--core", CORE, "--store", self.work / "store", "--name", fit.name, self.require(fit)]
        output, _ = self.call(self.serve, "prompts", "register", *arguments)
        return output.strip()

    def shown(self, version):
        command = [self.serve, "prompts", "show", "--store", self.work / "store", version]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def evaluate(self, versions, rows, *arguments):
        """Asks prompts of the store, and gives the lines of the answer."""
        command = ["evaluate", "--core", CORE, "--store", self.work / "store", "--task", ",".join(versions)]
        output, _ = self.call(self.train, *command, "--data", rows, *arguments)
        return [json.loads(line) for line in output.splitlines()]

    def ensemble(self, job):
        versions = [self.published(fit) for fit in job.members]
        test = self.data.split(job.fit.task, "test")
        for line in self.evaluate(versions, test, "--combine", job.combination):
            if line.get("task", "").startswith(f"{job.combination} of "):
                return {"test": line["metrics"][metric(job.fit.task)]}
        raise RuntimeError("evaluate gave no line of the ensemble's")

    def transfer(self, job):
        fit, rows = job.fit, self.data.target(job.target)
        names = TARGETS[job.target][1]
        renamed = ",".join(f"{own}={name}" for own, name in names.items() if own != name)
        mapping = ["--map", renamed] if renamed else []
        if fit.method != "full":
            line = self.evaluate([self.published(fit)], rows, *mapping)[0]
            assert line["count"] == len(read(rows))
            return {"test": line["metrics"][metric(fit.task)]}
        # `evaluate` asks prompts, and a tuned core has none. One step at the rate 0 leaves the core as it is,
        # and asks the test rows at its end.
        with tempfile.TemporaryDirectory(prefix="running-", dir=self.work) as temporary:
            out = Path(temporary) / "out"
            command = self.fit_command(fit, self.require(fit) / "core", rows, out) + mapping
            command += ["--method", "full", "--learning-rate", 0, "--steps", 1, "--batch", 1]
            self.call(self.train, *command)
            return {"test": json.loads((out / "result.json").read_text())["test"][metric(fit.task)]}
