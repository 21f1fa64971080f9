#!/usr/bin/env python3
"""Compares `polyprompt core probe` with transformers on random inputs for one core.

    compare_probe.py --polyprompt .build/release/polyprompt --core models/polyprompt-mini

Prints a line for each input and the largest differences, each relative to the range of the reference
values. Exits with status 1 when one exceeds the limit or, in float32, when greedy ids differ where the
reference's own decision was not a near tie. Other differences of ids are counted and shown.
"""

import argparse
import json
import subprocess
import sys

import numpy
import torch
from transformers.utils import logging

from probe_reference import decoder_logits, encode, load_core, probe

# Largest difference, as a part of the range of the reference values.
LIMITS = {"float32": 1e-3, "bfloat16": 5e-2, "int8": 1e-1}
# A greedy step whose two best logits are closer than this part of their range may go either way.
NEAR_TIE = 1e-4
LENGTHS = [1, 2, 7, 33, 64, 150, 300]
PROMPT_ROWS = [0, 5, 20, 100]


def random_requests(model, count, seed):
    random = numpy.random.default_rng(seed)
    scale = model.shared.weight.std().item()
    requests = []
    for number in range(count):
        length = LENGTHS[number % len(LENGTHS)]
        rows = PROMPT_ROWS[number % len(PROMPT_ROWS)]
        prompt = random.standard_normal((rows, model.config.d_model)) * scale
        ids = random.integers(2, model.config.vocab_size, length).tolist()
        a, b, c, d, e = random.integers(2, model.config.vocab_size, 5).tolist()
        requests.append(
            {
                "prompt": prompt.astype(numpy.float32).tolist(),
                "input_ids": ids[:-1] + [model.config.eos_token_id],
                "labels": [[a], [a, b], [a, c, d], [e, 1]],
            }
        )
    return requests


def run_polyprompt(options, requests):
    command = [options.polyprompt, "core", "probe", "--core", options.core]
    command += ["--precision", options.precision]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(requests):
        sys.exit(f"{len(requests)} requests, {len(answers)} answers")
    return answers


def difference(key, ours, reference):
    """Largest difference relative to the range; NaN and a wrong count are infinitely far."""
    if len(ours[key]) != len(reference[key]):
        return float("inf")
    values = numpy.array(reference[key])
    spread = max(numpy.ptp(values), 1e-6)
    if key == "label_log_likelihood":
        spread = max(numpy.abs(values).max(), 1.0)
    worst = numpy.abs(numpy.array(ours[key]) - values).max() / spread
    return float("inf") if numpy.isnan(worst) else float(worst)


def first_decision_gap(model, request, ours, reference):
    """Gap of the two best logits at the first greedy step where the ids part, relative to their range."""
    pairs = zip(ours + [None], reference + [None])
    step = next(index for index, (a, b) in enumerate(pairs) if a != b)
    prompt = torch.tensor(request["prompt"]).reshape(-1, model.config.d_model)
    hidden = encode(model, prompt, request["input_ids"])[0]
    logits = decoder_logits(model, hidden, reference[:step])[step]
    best = logits.topk(2).values
    return ((best[0] - best[1]) / (logits.max() - logits.min())).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polyprompt", required=True, help="path of the polyprompt executable")
    parser.add_argument("--core", required=True, help="core directory")
    parser.add_argument("--precision", default="float32", choices=LIMITS)
    parser.add_argument("--count", type=int, default=28, help="random inputs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = load_core(options.core)
    requests = random_requests(model, options.count, options.seed)
    answers = run_polyprompt(options, requests)
    limit = LIMITS[options.precision]
    worst, parted, failed = {}, {"greedy": 0, "beam4": 0}, False
    with torch.inference_mode():
        for number, (request, ours) in enumerate(zip(requests, answers)):
            reference = probe(model, request)
            notes = []
            for key in ["encoder_first", "encoder_last", "first_logits", "label_log_likelihood"]:
                amount = difference(key, ours, reference)
                worst[key] = max(worst.get(key, 0), amount)
                notes.append(f"{key} {amount:.1e}")
            for key in parted:
                if ours[key] != reference[key]:
                    parted[key] += 1
                    notes.append(f"{key} differs: {ours[key]} for {reference[key]}")
            if options.precision == "float32" and ours["greedy"] != reference["greedy"]:
                gap = first_decision_gap(model, request, ours["greedy"], reference["greedy"])
                notes.append(f"gap at the first difference {gap:.1e}")
                failed |= gap > NEAR_TIE
            shape = f"prompt {len(request['prompt'])}, ids {len(request['input_ids'])}"
            print(f"{number} ({shape}): {', '.join(notes)}")
    for key, amount in worst.items():
        print(f"largest difference of {key}: {amount:.2e} of the range (limit {limit:.0e})")
        failed |= amount > limit
    for key, number in parted.items():
        print(f"{key} ids differ for {number} of {len(requests)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
