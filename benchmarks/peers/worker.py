"""Runs one engine in a process of its own, told what to do over standard input and output.

The parent sends {"batches": [[request numbers]]} a line and gets {"seconds", "answers": {number: answer}},
the seconds being those of the batches alone. The first line out says that the engine is loaded.
"""

import argparse
import json
import os
import sys
import time
import warnings


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("root")
    parser.add_argument("workload")
    parser.add_argument("--cores", required=True, help="processor numbers, separated by commas")
    options = parser.parse_args()
    cores = [int(number) for number in options.cores.split(",")]
    # Before any library starts its threads, and so that none of them asks for more.
    os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(len(cores))
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    # Libraries that print must not disturb the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    from engines import ENGINES

    engine_class, precision = ENGINES[options.engine]
    engine = engine_class(options.root, options.workload, precision, len(cores))
    print(json.dumps({"loaded": options.engine}), file=answers, flush=True)
    for line in sys.stdin:
        outputs = {}
        batches = json.loads(line)["batches"]
        begin = time.perf_counter()
        for batch in batches:
            outputs |= zip(batch, engine.run(batch))
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "answers": outputs}), file=answers, flush=True)


if __name__ == "__main__":
    main()
