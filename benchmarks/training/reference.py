#!/usr/bin/env python3
"""Trains with torch and transformers what a run of `polyprompt-train fit` trained, and scores it the same way.

    .build/peers-venv/bin/python benchmarks/training/reference.py RUN

RUN is the folder that the command left: its train.json says task, rows and settings, its result.json what came out.
Batches are padded to their longest row, probabilities are over the labels, numbers are float32, and the draws are
torch's own. Prints {"steps", "seconds", "best_step", "dev", "test"} and, as "run", the same of RUN, and as
"run_in_torch" what torch says of RUN's prompt, as a line of JSON.
"""

import argparse
import copy
import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from torch import nn
from transformers import T5ForConditionalGeneration

from data import read

EOS, PAD = 1, 0
# Of the most common pieces one is drawn for each row, as Lester et al. 2021 do.
COMMON = 5000
# The settings that are built here; a run with others is refused.
EXPECTED = {
    "method": ["prompt", "residual-mlp1"],
    "activation": ["relu"],
    "layer_norm": [True],
    "residual": [True],
    "separate_networks": [False],
    "init": ["vocabulary"],
    "loss": [None, "labels"],
    "optimizer": ["adamw"],
    "schedule": ["linear"],
    "warmup": [0],
    "accumulation": [1],
    "patience": [0],
    "dropout": [0],
    "few_shot": [None],
}


def read_settings(run):
    settings = json.loads((run / "train.json").read_text())
    for key, values in EXPECTED.items():
        if settings.get(key, values[0]) not in values:
            sys.exit(f"{run / 'train.json'}: {key} is {settings[key]!r}; expected: {values}")
    for key in ["dev", "test"]:
        if not settings.get(key):
            sys.exit(f"{run / 'train.json'}: {key} is missing; a run with a file of {key} rows was expected")
    return settings


def read_rows(path, tokenizer, limit, labels):
    """Each row's ids and its label's place; -1 for a label that the task lacks."""
    rows = []
    for row in read(path):
        ids = tokenizer.encode(row["input"])[: limit - 1]
        rows.append(([*ids, EOS], labels.get(row["label"], -1)))
    return rows


class Labels:
    """The labels' ids, and for each of them the ids among which each is chosen: a trie's children."""

    def __init__(self, texts, tokenizer):
        self.ids = [[*tokenizer.encode(text), EOS] for text in texts]
        children = {}
        for ids in self.ids:
            for place, piece in enumerate(ids):
                children.setdefault(tuple(ids[:place]), set()).add(piece)
        longest = max(map(len, self.ids))
        self.read = torch.full((len(self.ids), longest), PAD)
        self.counted = torch.zeros(len(self.ids), longest)
        # The pieces that occur at all, and which of them are candidates where.
        pieces = sorted(set().union(*children.values()))
        self.pieces = torch.tensor(pieces)
        self.barred = torch.full((len(self.ids), longest, len(pieces)), -torch.inf)
        self.places = torch.zeros(len(self.ids), longest, dtype=torch.long)
        for label, ids in enumerate(self.ids):
            for place, piece in enumerate(ids):
                self.read[label, place + 1 : place + 2] = piece
                self.counted[label, place] = 1
                self.places[label, place] = pieces.index(piece)
                for candidate in children[tuple(ids[:place])]:
                    self.barred[label, place, pieces.index(candidate)] = 0
        # Behind a label's last id, anything finite.
        self.barred[self.counted == 0] = 0

    def log_probabilities(self, logits, labels):
        """Of each row's label, given the logits of `pieces`."""
        chosen = (logits + self.barred[labels]).log_softmax(-1)
        return (chosen.gather(-1, self.places[labels][..., None])[..., 0] * self.counted[labels]).sum(-1)


class Prompt(nn.Module):
    """The prompt's rows, and for Residual Prompt Tuning the network that is added to them."""

    def __init__(self, settings, embeddings):
        super().__init__()
        width = embeddings.shape[1]
        # The first three are control ids.
        drawn = 3 + torch.randperm(min(COMMON, len(embeddings) - 3))[: settings["rows"]]
        self.rows = nn.Parameter(embeddings[drawn].clone())
        self.network = None
        if settings["method"] == "residual-mlp1":
            inner = settings["bottleneck"]
            layers = [nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width), nn.LayerNorm(width)]
            self.network = nn.Sequential(*layers)

    def forward(self):
        return self.rows if self.network is None else self.rows + self.network(self.rows)


class Core:
    def __init__(self, folder, labels):
        self.model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.model.requires_grad_(False)
        self.labels = labels
        self.head = self.model.lm_head.weight[labels.pieces]
        self.scale = self.model.config.d_model**-0.5 if self.model.config.tie_word_embeddings else 1

    def encode(self, prompt, rows):
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [PAD] * (longest - len(ids)) for ids, _ in rows])
        inputs = torch.cat([prompt.expand(len(rows), -1, -1), self.model.shared(ids)], 1)
        mask = torch.cat([torch.ones(len(rows), len(prompt)), (ids != PAD).float()], 1)
        return self.model.encoder(inputs_embeds=inputs, attention_mask=mask)[0], mask

    def decode(self, encoded, mask, labels):
        hidden = self.model.decoder(
            input_ids=self.labels.read[labels],
            encoder_hidden_states=encoded,
            encoder_attention_mask=mask,
            use_cache=False,
        )[0]
        return self.labels.log_probabilities(hidden * self.scale @ self.head.T, labels)

    def loss(self, prompt, rows):
        encoded, mask = self.encode(prompt, rows)
        return -self.decode(encoded, mask, torch.tensor([label for _, label in rows])).mean()

    @torch.no_grad()
    def accuracy(self, prompt, rows, batch=16):
        right = 0
        count = len(self.labels.ids)
        by_length = sorted(rows, key=lambda row: len(row[0]))
        for start in range(0, len(rows), batch):
            block = by_length[start : start + batch]
            encoded, mask = self.encode(prompt, block)
            every = torch.arange(count).repeat(len(block))
            scores = self.decode(
                encoded.repeat_interleave(count, 0), mask.repeat_interleave(count, 0), every
            )
            answers = scores.view(len(block), count).argmax(1).tolist()
            right += sum(answer == label for answer, (_, label) in zip(answers, block, strict=True))
        return right / len(rows)


def train(settings, core, train_rows, dev_rows, evaluations):
    """The best prompt by its dev score, that score and its step."""
    prompt = Prompt(settings, core.model.shared.weight)
    groups = [{"params": [prompt.rows], "lr": settings["learning_rate"]}]
    if prompt.network is not None:
        groups.append({"params": prompt.network.parameters(), "lr": settings["network_learning_rate"]})
    optimizer = torch.optim.AdamW(
        groups,
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        weight_decay=settings["weight_decay"],
    )
    steps = settings["steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    best, order, total = (-1, 0, None), [], 0
    for step in range(1, steps + 1):
        while len(order) < settings["batch"]:
            order += torch.randperm(len(train_rows)).tolist()
        chosen, order = order[: settings["batch"]], order[settings["batch"] :]
        loss = core.loss(prompt(), [train_rows[row] for row in chosen])
        optimizer.zero_grad()
        loss.backward()
        if settings["clip"] > 0:
            nn.utils.clip_grad_norm_(prompt.parameters(), settings["clip"])
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % max(1, steps // evaluations) == 0 or step == steps:
            score = core.accuracy(prompt(), dev_rows)
            print(f"step {step}: loss {total / step:.4f} on average, dev {score:.4f}", file=sys.stderr)
            if score > best[0]:
                best = (score, step, copy.deepcopy(prompt.state_dict()))
    prompt.load_state_dict(best[2])
    return prompt, best[0], best[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder that polyprompt-train fit left")
    parser.add_argument("--evaluations", type=int, default=20, help="how often to evaluate on the dev set")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    settings = read_settings(options.run)
    torch.manual_seed(options.seed)
    torch.set_flush_denormal(True)

    definition = json.loads(Path(settings["task"]).read_text())
    if definition["template"] != "{input}" or definition.get("normalize", "labels") != "labels":
        sys.exit(f"{settings['task']}: a task of one text with probabilities over its labels was expected")
    tokenizer = SentencePieceProcessor(model_file=str(Path(settings["core"]) / "spiece.model"))
    labels = Labels([label["text"] for label in definition["labels"]], tokenizer)
    places = {label["label"]: place for place, label in enumerate(definition["labels"])}
    limit = definition.get("max_input_tokens", 512)
    train_rows, dev_rows, test_rows = (
        read_rows(settings[split], tokenizer, limit, places) for split in ["train", "dev", "test"]
    )
    core = Core(settings["core"], labels)
    result = json.loads((options.run / "result.json").read_text())
    begin = time.perf_counter()
    prompt, dev, step = train(settings, core, train_rows, dev_rows, options.evaluations)
    seconds = time.perf_counter() - begin
    stored = load_file(options.run / "prompt.safetensors")["prompt_embeddings"].float()
    report = {
        "steps": settings["steps"],
        "seconds": round(seconds, 1),
        "best_step": step,
        "dev": {"accuracy": dev},
        "test": {"accuracy": core.accuracy(prompt(), test_rows)},
        "run": {key: result[key] for key in ["steps", "seconds", "dev", "test"]},
        "run_in_torch": {
            "dev": {"accuracy": core.accuracy(stored, dev_rows)},
            "test": {"accuracy": core.accuracy(stored, test_rows)},
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
