#!/usr/bin/env python3
"""Makes decoding.json beside each golden core: what transformers generates with other decoding options.

    pip install -r requirements.txt && python make_decoding_golden.py [CASE…]

Reads the cores and sequences that make_golden.py wrote. Everything follows from fixed seeds. README.md
describes the files.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from probe_reference import encode, load_core, start_id

HERE = Path(__file__).resolve().parent
NEW_TOKENS = 16
# Sequences of a case that take part: short and long, with and without a prompt.
SEQUENCES = [0, 2, 4, 7, 8]
# Outputs have to stay the same when this much noise is added to the scores.
NOISE = 2e-4
NOISE_SEEDS = range(2)


def beams(count, penalty, early, returned=1, **more):
    return {
        "num_beams": count,
        "length_penalty": penalty,
        "early_stopping": early,
        "num_return_sequences": returned,
        **more,
    }


SETTINGS = [
    *[
        beams(count, penalty, early)
        for count in (2, 3, 5)
        for penalty in (0.5, 1.0, 2.0)
        for early in (False, True)
    ],
    beams(3, 1.0, False, returned=3),
    beams(5, 2.0, True, returned=2),
    beams(4, 0.0, False, returned=3),
    beams(4, -1.0, False, returned=2),
    beams(3, 1.0, False, returned=2, prefix=[7, 20]),
    beams(3, 1.0, True, repetition_penalty=1.3, min_new_tokens=4),
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 2.0, "prefix": [9]},
    {"min_new_tokens": 6},
    {"min_new_tokens": 16},
    {"repetition_penalty": 1.3, "min_new_tokens": 5},
]

# (temperature, top_k, top_p): 0 and 1.0 leave the filter out.
FILTERS = [
    (1.0, 0, 1.0),
    (0.5, 0, 1.0),
    (2.0, 5, 1.0),
    (1.0, 0, 0.9),
    (0.7, 40, 0.8),
    (1.5, 3, 0.5),
    (1.0, 1, 0.01),
]


class Noise(LogitsProcessor):
    def __init__(self, seed):
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids, scores):
        return scores + (torch.rand(scores.shape, generator=self.random) * 2 - 1) * NOISE


def generate(model, hidden, setting, processors=()):
    """Each returned sequence's new ids, cut after the end-of-sequence id."""
    options = dict(setting)
    given = [start_id(model)] + options.pop("prefix", [])
    output = model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        attention_mask=torch.ones(hidden.shape[:2], dtype=torch.long),
        decoder_input_ids=torch.tensor([given]),
        generation_config=GenerationConfig(
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            decoder_start_token_id=start_id(model),
            eos_token_id=model.config.eos_token_id,
            pad_token_id=model.config.pad_token_id,
            **options,
        ),
        use_model_defaults=False,
        logits_processor=LogitsProcessorList(processors),
    )
    end = model.config.eos_token_id
    sequences = []
    for ids in output[:, len(given) :].tolist():
        sequences.append(ids[: ids.index(end) + 1] if end in ids else ids)
    return sequences


def filtered(logits, temperature, top_k, top_p):
    """Probabilities of the ids that the warpers leave, as {id: probability}."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k > 0:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    scores = warpers(None, logits.double()[None].clone())[0]
    probabilities = scores.softmax(-1)
    kept = torch.isfinite(scores).nonzero()[:, 0].tolist()
    return {str(index): float(f"{probabilities[index].item():.7g}") for index in kept}


def lines(values, indentation):
    """A JSON array with an element a line, so that a change shows what it touched."""
    space = " " * indentation
    return "[\n" + ",\n".join(space + json.dumps(value) for value in values) + "\n" + space[2:] + "]"


def make(folder):
    model = load_core(folder)
    stored = load_file(folder / "golden.safetensors")
    golden = json.loads((folder / "golden.json").read_text())
    entries, unstable = [], 0
    for number in SEQUENCES:
        sequence = golden["sequences"][number]
        prompt = stored[sequence["prompt"]] if sequence["prompt"] else torch.zeros(0, model.config.d_model)
        hidden = encode(model, prompt, sequence["input_ids"])[0]
        runs = []
        for setting in SETTINGS:
            ids = generate(model, hidden, setting)
            if all(generate(model, hidden, setting, [Noise(seed)]) == ids for seed in NOISE_SEEDS):
                runs.append({**setting, "ids": ids})
            else:
                unstable += 1
        entries.append(f'    {{"name": "{sequence["name"]}", "runs": {lines(runs, 6)}}}')
    total = len(SETTINGS) * len(SEQUENCES)
    print(f"{folder.name}: {total} runs, {unstable} left out because they hang on rounding", flush=True)
    logits = stored[golden["sequences"][0]["name"] + ".first_logits"]
    filters = [
        {"temperature": t, "top_k": k, "top_p": p, "probabilities": filtered(logits, t, k, p)}
        for t, k, p in FILTERS
    ]
    (folder / "decoding.json").write_text(
        f'{{\n  "max_new_tokens": {NEW_TOKENS},\n  "sequences": [\n'
        + ",\n".join(entries)
        + f'\n  ],\n  "filters": {lines(filters, 4)}\n}}\n'
    )


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    with torch.inference_mode():
        for folder in sorted(path.parent for path in HERE.glob("*/golden.json")):
            if len(sys.argv) == 1 or folder.name in sys.argv[1:]:
                make(folder)


if __name__ == "__main__":
    main()
