"""The requests that every engine answers, made from a fixed seed."""

import json
from pathlib import Path

import numpy
from safetensors.numpy import save_file

TASKS = 8
PROMPT_ROWS = 20
# Ids below are control ids; the end-of-sequence id never occurs in a text and is never generated.
FIRST_TEXT_ID = 3

# Number of requests, shortest and longest text, and what is asked for.
WORKLOADS = {
    "mixed": {"requests": 64, "text": (16, 192), "max_new_tokens": 4},
    "classify": {"requests": 128, "text": (8, 48), "labels": (4, 10)},
    "generate": {"requests": 32, "text": (16, 192), "max_new_tokens": 32},
}


def random_labels(random, count, vocabulary):
    """`count` labels of 1 to 3 ids and the end-of-sequence id, a pair of which shares its first id.

    Scored over the trie of the labels, a request needs the logits of the root and of one node below it,
    as with real labels ("search creative work", "search screening event").
    """
    firsts = random.choice(numpy.arange(FIRST_TEXT_ID, vocabulary), count, replace=False).tolist()
    firsts[1] = firsts[0]
    labels = []
    for number, first in enumerate(firsts):
        extra = int(random.integers(1, 3)) if number < 2 else int(random.integers(0, 3))
        rest = random.integers(FIRST_TEXT_ID, vocabulary, extra).tolist()
        labels.append([first, *rest, 1])
    assert labels[0][1] != labels[1][1]
    return labels


def make_workload(name, config, folder, scale):
    """Writes `<name>.json` and the prompts' file, and returns the path of the first.

    `scale` is the number of requests as a part of the usual one.
    """
    settings = WORKLOADS[name]
    random = numpy.random.default_rng([7, sorted(WORKLOADS).index(name)])
    tasks = [f"task{number}" for number in range(TASKS)]
    shortest, longest = settings["text"]
    requests = []
    for number in range(max(1, round(settings["requests"] * scale))):
        length = int(random.integers(shortest, longest + 1))
        ids = random.integers(FIRST_TEXT_ID, config.vocab_size, length).tolist()
        requests.append({"task": tasks[number % TASKS], "input_ids": ids})
    workload = {"workload": name, "prompts": "prompts.safetensors"}
    if "labels" in settings:
        fewest, most = settings["labels"]
        counts = numpy.linspace(fewest, most, TASKS).round().astype(int).tolist()
        labels = [random_labels(random, count, config.vocab_size) for count in counts]
        workload["labels"] = dict(zip(tasks, labels))
    else:
        workload["max_new_tokens"] = settings["max_new_tokens"]
    workload["requests"] = requests
    path = Path(folder) / f"{name}.json"
    path.write_text(json.dumps(workload))
    return path


def make_prompts(config, folder):
    """One tensor a task, `[PROMPT_ROWS, d_model]`, of the embedding's scale."""
    random = numpy.random.default_rng(8)
    shape = (PROMPT_ROWS, config.d_model)
    prompts = {
        f"task{number}": random.standard_normal(shape).astype(numpy.float32) for number in range(TASKS)
    }
    save_file(prompts, Path(folder) / "prompts.safetensors")
    return prompts
