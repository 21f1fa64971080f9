#!/usr/bin/env python3
"""Makes the golden gradients: what torch's autograd computes on the small cores of Tests/T5Tests/Golden.

    pip install -r ../../T5Tests/Golden/requirements.txt && python make_gradients.py

For each core a folder with `batch.json` (the sequences, their losses) and `gradients.safetensors` (the prompts,
their gradients of the weighted sum of the losses, and for some cores those of all weights). Everything follows from
fixed seeds.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
CORES = HERE.parent.parent / "T5Tests" / "Golden"
sys.path.insert(0, str(CORES))

from probe_reference import load_core  # noqa: E402

# Cores, and whether their weights' gradients are stored too.
CASES = {
    "v1_0-relu-tied": False,
    "v1_1-gated-untied": True,
    "float16-padded-head": False,
    "byt5-like": False,
    "duplicate-embeddings": True,
}
PROMPT_ROWS = [5, 3]


def make_batch(random):
    """Different prompts, lengths, prefixes, targets, weights; losses over all pieces, over candidates and of a choice
    among answers."""

    def ids(count):
        return random.integers(2, 100, count).tolist()

    def distinct(count):
        return (2 + random.choice(98, count, replace=False)).tolist()

    three, two, pair = distinct(3), distinct(2), distinct(2)
    return [
        {"prompt": 0, "input_ids": ids(6) + [1], "prefix": [], "target": ids(2) + [1], "weight": 1.0},
        {"prompt": 1, "input_ids": ids(11) + [1], "prefix": ids(1), "target": ids(1), "weight": 0.5},
        {"prompt": None, "input_ids": ids(4), "prefix": [], "target": ids(1) + [1], "weight": 1.25},
        {
            "prompt": 0,
            "input_ids": ids(70) + [1],
            "prefix": [],
            "target": [three[1], 9, two[0], 1],
            "candidates": [three, [9], two, [1]],
            "weight": 2.0,
        },
        {
            "prompt": 1,
            "input_ids": [],
            "prefix": ids(2),
            "target": [pair[1], 1],
            "candidates": [pair, [1]],
            "weight": 1.0,
        },
        {
            "prompt": 0,
            "input_ids": ids(20),
            "prefix": [],
            "target": [8, 1],
            "candidates": [[8], [1]],
            "weight": 1.0,
        },
        {
            "prompt": 1,
            "input_ids": ids(9) + [1],
            "prefix": ids(1),
            "target": ids(2) + [1],
            "alternatives": [ids(1) + [1], ids(4) + [1]],
            "weight": 1.5,
        },
    ]


def loss_of(model, prompts, sequence):
    """The negative logarithm of the target's probability: of its ids one after the other, or among alternatives."""
    losses = [
        loss_of_answer(model, prompts, {**sequence, "target": answer})
        for answer in [sequence["target"], *sequence.get("alternatives", [])]
    ]
    if "alternatives" not in sequence:
        return losses[0]
    return losses[0] + torch.stack([-loss for loss in losses]).logsumexp(0)


def loss_of_answer(model, prompts, sequence):
    """The negative log-likelihood of the target's ids, teacher-forced."""
    rows = model.shared(torch.tensor(sequence["input_ids"], dtype=torch.long))
    if sequence["prompt"] is not None:
        rows = torch.cat([prompts[sequence["prompt"]], rows])
    target, prefix = sequence["target"], sequence["prefix"]
    start = model.config.decoder_start_token_id
    read = [model.config.pad_token_id if start is None else start] + prefix + target[:-1]
    logits = model(inputs_embeds=rows[None], decoder_input_ids=torch.tensor([read])).logits[0]
    loss = 0
    for place, piece in enumerate(target):
        row = logits[len(prefix) + place]
        among = sequence.get("candidates", [None] * len(target))[place]
        total = row.logsumexp(0) if among is None else row[torch.tensor(among)].logsumexp(0)
        loss = loss + total - row[piece]
    return loss


def make(name, with_weights, seed):
    random = numpy.random.default_rng(seed)
    model = load_core(CORES / name).double().eval()
    model.requires_grad_(with_weights)
    scale = model.shared.weight.std().item()
    prompts = []
    for rows in PROMPT_ROWS:
        values = random.standard_normal((rows, model.config.d_model)) * scale
        prompts.append(torch.tensor(values.astype(numpy.float32)).double().requires_grad_())
    sequences = make_batch(random)
    losses = [loss_of(model, prompts, sequence) for sequence in sequences]
    sum(sequence["weight"] * loss for sequence, loss in zip(sequences, losses)).backward()

    tensors = {}
    for number, prompt in enumerate(prompts):
        tensors[f"prompt.{number}"] = prompt.detach().float()
        tensors[f"gradient.{number}"] = prompt.grad.float()
    if with_weights:
        for weight, values in model.named_parameters():
            tensors[f"weight.{weight}"] = values.grad.float()
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "gradients.safetensors")
    for sequence, loss in zip(sequences, losses):
        sequence["loss"] = loss.item()
    lines = ",\n".join("  " + json.dumps(sequence) for sequence in sequences)
    (folder / "batch.json").write_text('{"sequences": [\n' + lines + "\n]}\n")
    print(name, [round(sequence["loss"], 4) for sequence in sequences])


if __name__ == "__main__":
    for number, (name, with_weights) in enumerate(CASES.items()):
        make(name, with_weights, seed=100 + number)
