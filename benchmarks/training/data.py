"""The rows that trainings and baselines share: drawn once from the public sets, by fixed seeds."""

import json
import os
import random
from pathlib import Path

from grid import TARGETS

LIMITS = {"train": 5000, "dev": 500, "test": 1000}
TASKS_FOLDER = Path(__file__).resolve().parent / "tasks"


def definition(task):
    return json.loads((TASKS_FOLDER / f"{task}.json").read_text())


def metric(task):
    return definition(task).get("metric", "accuracy")


def read(file):
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Data:
    """Files of drawn rows under `folder`, made from `source`/TASK/SPLIT.jsonl when first asked for."""

    def __init__(self, source, folder):
        self.source, self.folder = Path(source), Path(folder)
        self.made = {}

    def rows(self, file):
        """Fields beside these two, which not all sets have, are left out."""
        return [{"input": row["input"], "label": row["label"]} for row in read(self.source / file)]

    def file(self, name, make):
        """The file of this name with the rows that `make` gives; another process never sees half of it."""
        if name not in self.made:
            path = self.folder / f"{name}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in make())
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, path)
            self.made[name] = path
        return self.made[name]

    def split(self, task, split):
        def make():
            return shuffled(self.rows(f"{task}/{split}.jsonl"), f"{task} {split}")[: LIMITS[split]]

        return self.file(f"{task}-{split}", make)

    def few_shot(self, task, shots, seed):
        """So many training rows of each class, or all where there are fewer; 5 are also among the 20."""

        def make():
            rows = shuffled(read(self.split(task, "train")), f"{task} few {seed}")
            counts, kept = {}, []
            for row in rows:
                counts[row["label"]] = counts.get(row["label"], 0) + 1
                if counts[row["label"]] <= shots:
                    kept.append(row)
            return kept

        return self.file(f"{task}-{shots}-shot-{seed}", make)

    def train(self, task, shots=None, seed=None):
        return self.split(task, "train") if shots is None else self.few_shot(task, shots, seed)

    def target(self, name):
        """Rows of another domain, of all its splits since nothing is trained on them.

        They keep their own labels; those that the task has none for are left out.
        """

        def make():
            labels = TARGETS[name][1]
            files = sorted((self.source / name).glob("*.jsonl"))
            rows = [row for file in files for row in self.rows(file.relative_to(self.source))]
            rows = [row for row in rows if row["label"] in labels]
            return shuffled(rows, name)[: LIMITS["test"]]

        return self.file(name, make)


def shuffled(rows, seed):
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows
