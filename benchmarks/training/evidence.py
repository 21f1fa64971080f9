#!/usr/bin/env python3
"""Trains what shows how good the trainer's prompts are, and keeps each score.

    .build/peers-venv/bin/python benchmarks/training/evidence.py --data DIR \\
        --polyprompt-train .build/release/polyprompt-train --polyprompt .build/release/polyprompt

README.md says what is run. The results go to benchmarks/results/evidence.jsonl; what is there already is not
run again, so that an interrupted run goes on where it was. report.py makes tables and plots of them.
"""

import argparse
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import results
from core import REPOSITORY
from data import Data
from estimate import Estimator, spoken
from grid import PARTS, Grid
from options import add_common, budget_of, words
from runner import Runner


def line_of(job, outcome):
    return {"key": job.name, "kind": type(job).__name__.lower()} | asdict(job) | outcome


def plan(jobs, estimator):
    estimates = [estimator.seconds(job) for job in jobs]
    for job, seconds in zip(jobs, estimates):
        print(f"{spoken(seconds):>8}  {job.name}")
    print(f"{len(jobs)} runs remain, about {spoken(sum(estimates))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polyprompt-train", type=Path, required=True, help="executable")
    parser.add_argument("--polyprompt", type=Path, required=True, help="executable")
    parser.add_argument("--data", type=Path, required=True, help="TASK/train.jsonl, dev.jsonl and test.jsonl")
    parser.add_argument("--parts", type=words, default=PARTS, help=", ".join(PARTS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--work", type=Path, default=REPOSITORY / ".build/evidence", help="for what is trained"
    )
    parser.add_argument("--plan", action="store_true", help="print what would be run, and do nothing")
    add_common(parser)
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    # Both ways of stopping clean up, also in the background of a script, where Ctrl-C would be ignored.
    for stop in [signal.SIGINT, signal.SIGTERM]:
        signal.signal(stop, signal.default_int_handler)

    data = Data(options.data, options.work / "data")
    lines = results.load(options.results)
    grid = Grid(lines, budget_of(options), options.tasks)

    def remaining():
        return [job for job in grid.jobs(options.parts) if job.name not in lines]

    jobs = remaining()
    if options.plan:
        return plan(jobs, Estimator(data, options.threads, lines.values()))
    writer, runner = results.Writer(options.results), Runner(options, data)
    number = 0
    while jobs:
        number, job = number + 1, jobs[0]
        outcome = runner.run(job)
        lines[job.name] = line_of(job, outcome)
        writer.add(lines[job.name])
        # A choice of a learning rate gives the runs after it their names, and spares one of them.
        jobs = remaining()
        estimator = Estimator(data, options.threads, lines.values())
        left = spoken(sum(map(estimator.seconds, jobs)))
        scores = ", ".join(f"{key} {outcome[key]:.3f}" for key in ["dev", "test"] if key in outcome)
        done = f"{number} of {number + len(jobs)}: {job.name}: {scores} in {outcome['seconds']:.1f} s"
        print(f"{done}; {left} left", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
