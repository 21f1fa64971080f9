"""What the fast modes change: the labels and probabilities of the shipped tasks beside float32's.

Asks the first rows of each task's test set and the shipped sample sentences in every precision, through
`polyprompt run`, and prints the table of docs/numerics.md. Needs nothing but Python.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# The public data set that each task was trained on, as a folder's name.
DATA = {
    "assistant-intent": "snips",
    "emotion": "tweet_emotion",
    "news-topic": "agnews",
    "question-type": "trec",
    "sentiment": "sst2",
    "spam": "sms_spam",
    "subjectivity": "subj",
    "support-domain": "clinc_domain",
}
PRECISIONS = ["float32", "bfloat16", "int8"]


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def requests(data, rows):
    """(task, whether it is a sample sentence, the request) of every row."""
    asked = []
    for task, folder in DATA.items():
        sources = [(data / folder / "test.jsonl", rows, False)] if data else []
        sources.append((REPOSITORY / "prompts" / task / "sample.jsonl", None, True))
        for path, limit, is_sample in sources:
            for row in lines(path)[:limit]:
                asked.append((task, is_sample, {"task": task, "input": row["input"]}))
    return asked


def answers(polyprompt, store, precision, asked):
    text = "".join(json.dumps(request) + "\n" for _, _, request in asked)
    command = [polyprompt, "run", "--core", REPOSITORY / "models/polyprompt-mini", "--store", store]
    done = subprocess.run([*command, "--precision", precision], input=text, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"polyprompt run in {precision} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(asked, reference, fast):
    """The table's cells of one precision."""
    drifts, same = [], {}
    for (task, is_sample, _), expected, answer in zip(asked, reference, fast, strict=True):
        for group in [None, "sample" if is_sample else task]:
            same.setdefault(group, []).append(expected["label"] == answer["label"])
        drifts.append(max(abs(p - answer["scores"][label]) for label, p in expected["scores"].items()))
    drifts.sort()
    share = {group: sum(each) / len(each) for group, each in same.items()}
    worst = min((group for group in share if group in DATA), key=share.get, default=None)
    sample = same["sample"]
    return [
        f"{share[None]:.2%}",
        f"{worst} {share[worst]:.2%}" if worst else "–",
        f"{sum(sample)} of {len(sample)}",
        f"{sum(drifts) / len(drifts):.4f}",
        f"{drifts[int(len(drifts) * 0.99)]:.4f}",
        f"{drifts[-1]:.3f}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polyprompt", default=REPOSITORY / ".build/release/polyprompt", help="the command")
    parser.add_argument("--data", type=Path, help="folder of the data sets; without it the samples alone are asked")
    parser.add_argument("--rows", type=int, default=1000, help="of each test set")
    options = parser.parse_args()
    asked = requests(options.data, options.rows)
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        prompts = [REPOSITORY / "prompts" / task for task in DATA]
        command = [options.polyprompt, "prompts", "register", "--core", REPOSITORY / "models/polyprompt-mini"]
        subprocess.run([*command, "--store", store, *prompts], check=True, stdout=subprocess.DEVNULL)
        found = {each: answers(options.polyprompt, store, each, asked) for each in PRECISIONS}
    gaps = sorted(ranked[0] - ranked[1] for ranked in (
        sorted(answer["scores"].values(), reverse=True) for answer in found["float32"]))
    print(f"{len(asked)} rows; float32's own margin is below 0.02 in {sum(gap < 0.02 for gap in gaps)} of them\n")
    print("| | labels as float32's | worst task | on the samples | mean drift | 99% of rows below | largest |")
    print("|---|---|---|---|---|---|---|")
    for precision in PRECISIONS[1:]:
        print(f"| `{precision}` | " + " | ".join(compare(asked, found["float32"], found[precision])) + " |")


if __name__ == "__main__":
    main()
