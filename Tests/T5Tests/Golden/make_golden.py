#!/usr/bin/env python3
"""Makes the golden cores and outputs beside it: small random T5 cores and what transformers computes on them.

    pip install -r requirements.txt && python make_golden.py [CASE…]

Everything follows from fixed seeds. README.md describes the files.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import LogitsProcessor, MT5Config, T5Config
from transformers.utils import logging

from golden_cases import CASES, EOS
from probe_reference import BEAMS, NEW_TOKENS, decoder_logits, encode, generate
from probe_reference import label_log_likelihood, load_core

HERE = Path(__file__).resolve().parent

# (token count, prompt rows) of each sequence of a case.
SHAPES = [(1, 0), (2, 5), (7, 100), (33, 0), (64, 5), (150, 0), (600, 100), (33, 100), (1, 5)]
# Sequences with more rows than this keep only their first and last 8 encoder rows, and every row's sum.
ALL_ROWS_LIMIT = 160
# The gap that a greedy step's best logit must have, absolutely and relative to the range of the logits.
GREEDY_MARGIN = 1e-3
# Beam search has to give the same ids when this much noise is added to its log-probabilities.
BEAM_NOISE = 2e-4


def full_config(case):
    config_class = MT5Config if case.config["model_type"] == "mt5" else T5Config
    return config_class.from_dict(case.config)


def make_weights(case, config, random):
    """Weights of a size that makes attention peaked and the output depend on the input."""
    tensors = {}

    def normal(name, rows, columns, deviation):
        values = random.standard_normal((rows, columns)) * deviation
        tensors[name] = torch.from_numpy(values.astype(numpy.float32))

    def gains(name, deviation=0.3):
        values = 1 + random.standard_normal(config.d_model) * deviation
        tensors[name] = torch.from_numpy(values.astype(numpy.float32))

    width, inner = config.d_model, config.num_heads * config.d_kv
    gated = config.is_gated_act

    def attention(prefix):
        # The decoder's is the stronger, so that the output depends on the input and on what came before.
        gain = 1.4 if prefix.startswith("decoder") else 1.0
        normal(f"{prefix}.q.weight", inner, width, 1.6 * (width * config.d_kv) ** -0.5)
        normal(f"{prefix}.k.weight", inner, width, 1.6 * gain * width**-0.5)
        normal(f"{prefix}.v.weight", inner, width, 1.5 * gain * width**-0.5)
        normal(f"{prefix}.o.weight", width, inner, 1.5 * inner**-0.5)

    def bias(prefix):
        name = f"{prefix}.relative_attention_bias.weight"
        normal(name, config.relative_attention_num_buckets, config.num_heads, 1.0)

    def feed_forward(prefix):
        for name in ["wi_0", "wi_1"] if gated else ["wi"]:
            normal(f"{prefix}.{name}.weight", config.d_ff, width, 1.5 * width**-0.5)
        normal(f"{prefix}.wo.weight", width, config.d_ff, 1.5 * config.d_ff**-0.5)

    def stack(name, layers, parts):
        for layer in range(layers):
            for index, part in enumerate(parts):
                prefix = f"{name}.block.{layer}.layer.{index}"
                gains(f"{prefix}.layer_norm.weight")
                if part == "DenseReluDense":
                    feed_forward(f"{prefix}.{part}")
                else:
                    attention(f"{prefix}.{part}")
                if part == "SelfAttention" and layer == 0:
                    bias(f"{prefix}.{part}")

    normal("shared.weight", config.vocab_size, width, case.embedding_scale)
    stack("encoder", config.num_layers, ["SelfAttention", "DenseReluDense"])
    gains("encoder.final_layer_norm.weight")
    parts = ["SelfAttention", "EncDecAttention", "DenseReluDense"]
    stack("decoder", config.num_decoder_layers, parts)
    # A tied head prefers the id just read; gains of both signs take that preference away.
    gains("decoder.final_layer_norm.weight", deviation=0.3 if case.own_head else 3.0)

    if case.own_head:
        normal("lm_head.weight", config.vocab_size, width, 2 * width**-0.5)
        tensors["lm_head.weight"][EOS] *= case.eos_gain
    else:
        tensors["shared.weight"][EOS] *= case.eos_gain
    if case.used_vocabulary is not None:
        for name in ["shared.weight", "lm_head.weight"]:
            tensors[name][case.used_vocabulary :] = 0
    if case.duplicate_embeddings:
        for name in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"]:
            tensors[name] = tensors["shared.weight"].clone()
        bias("decoder.block.0.layer.1.EncDecAttention")
    return {name: tensor.to(case.dtype) for name, tensor in tensors.items()}


def write_core(case, tensors, folder):
    write_json(folder / "config.json", case.config)
    for name, value in case.extra_files.items():
        write_json(folder / name, value)
    metadata = {"format": "pt"}
    if case.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata)
        return
    # Dealt out in turn, so that the parts of one layer lie in different files.
    weight_map = {}
    for shard in range(case.shards):
        file = f"model-{shard + 1:05}-of-{case.shards:05}.safetensors"
        part = {name: tensors[name] for name in sorted(tensors)[shard :: case.shards]}
        save_file(part, folder / file, metadata)
        weight_map |= {name: file for name in part}
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


class Noise(LogitsProcessor):
    def __init__(self, seed):
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids, scores):
        return scores + (torch.rand(scores.shape, generator=self.random) * 2 - 1) * BEAM_NOISE


def greedy_margin(model, hidden, greedy):
    """The smallest gap between the two best logits of a step, relative to what GREEDY_MARGIN asks."""
    logits = decoder_logits(model, hidden, greedy[:-1])
    best = logits.topk(2).values
    spread = logits.max(-1).values - logits.min(-1).values
    gaps = best[:, 0] - best[:, 1]
    assert logits.argmax(-1).tolist() == greedy
    return (gaps / (GREEDY_MARGIN * spread.clamp(min=1))).min().item()


def random_labels(random, size):
    """Five labels of 1 to 5 ids; four of them share their first id, two of those a longer prefix."""
    a, b, c, d, e, f, g, h = random.choice(numpy.arange(2, size), 8, replace=False).tolist()
    return [[a], [a, b], [a, b, c], [a, b, d, e, f], [g, h, EOS]]


def make_sequence(model, case, prompts, number, shape, earlier):
    """Draws inputs until the output is a new one and no greedy or beam decision hangs on rounding."""
    length, rows = shape
    size = case.used_vocabulary or model.config.vocab_size
    prompt_name = f"prompt.{rows}" if rows else None
    prompt = prompts[prompt_name] if rows else torch.zeros(0, model.config.d_model)
    for attempt in range(50):
        random = numpy.random.default_rng([case.seed, 2, number, attempt])
        ids = random.integers(3, size, length).tolist()
        if length > 1:
            ids[-1] = EOS
        hidden = encode(model, prompt, ids)[0]
        greedy = generate(model, hidden, 1)
        if greedy in earlier or greedy_margin(model, hidden, greedy) < 1:
            continue
        beam = generate(model, hidden, BEAMS)
        if all(generate(model, hidden, BEAMS, [Noise(seed)]) == beam for seed in range(4)):
            break
    else:
        raise AssertionError(f"{case.name}: no stable input of {length} tokens found")
    labels = random_labels(random, size)
    name = f"tokens{length}-prompt{rows}"
    outputs = {"first_logits": decoder_logits(model, hidden, [])[0]}
    states = hidden[0]
    outputs["encoder_row_sums"] = states.double().sum(-1).float()
    if len(states) <= ALL_ROWS_LIMIT:
        outputs["encoder"] = states
    else:
        outputs["encoder_head"] = states[:8]
        outputs["encoder_tail"] = states[-8:]
    description = {
        "name": name,
        "prompt": prompt_name,
        "input_ids": ids,
        "greedy": greedy,
        "beam4": beam,
        "labels": labels,
        "label_log_likelihood": [label_log_likelihood(model, hidden, label) for label in labels],
    }
    tensors = {f"{name}.{key}": value.clone().contiguous() for key, value in outputs.items()}
    return description, tensors


def check_peaked(case, model, sequence, prompts):
    """Attention must be far from uniform, or a wrong position bias or scale would not show."""
    ids = sequence["input_ids"]
    prompt = prompts.get(sequence["prompt"], torch.zeros(0, model.config.d_model))
    attentions = encode(model, prompt, ids, output_attentions=True).attentions
    rows = len(ids) + len(prompt)
    peak = torch.stack([weights[0].max(-1).values.mean() for weights in attentions]).min().item()
    assert peak * rows > 5, f"{case.name}: encoder attention is nearly uniform ({peak * rows:.1f})"


def check_varied(case, sequences):
    """Outputs must differ between inputs and end both ways."""
    greedy = [sequence["greedy"] for sequence in sequences]
    assert len({ids[0] for ids in greedy}) >= 4, f"{case.name}: first ids hardly vary"
    assert sum(len(set(ids)) >= 4 for ids in greedy) >= 3, f"{case.name}: outputs repeat themselves"
    for kind in ["greedy", "beam4"]:
        ended = [sequence[kind][-1] == EOS for sequence in sequences]
        assert any(ended), f"{case.name}: no {kind} output ends"
    assert any(len(ids) == NEW_TOKENS for ids in greedy), f"{case.name}: no output reaches the limit"
    assert any(s["greedy"] != s["beam4"] for s in sequences), f"{case.name}: beams change nothing"


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_golden(path, case, sequences):
    """One sequence a line, so that a change shows which sequence it touched."""
    lines = ",\n".join("    " + json.dumps(sequence) for sequence in sequences)
    head = json.dumps({"case": case.name, "about": case.about, "seed": case.seed}, indent=2)
    path.write_text(head[:-2] + ',\n  "sequences": [\n' + lines + "\n  ]\n}\n")


def make(case):
    folder = HERE / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = full_config(case)
    random = numpy.random.default_rng([case.seed, 0])
    write_core(case, make_weights(case, config, random), folder)
    model = load_core(folder)

    random = numpy.random.default_rng([case.seed, 1])
    prompts = {}
    for rows in sorted({rows for _, rows in SHAPES} - {0}):
        values = random.standard_normal((rows, config.d_model)) * case.embedding_scale
        prompts[f"prompt.{rows}"] = torch.from_numpy(values.astype(numpy.float32))
    sequences, tensors = [], dict(prompts)
    for number, shape in enumerate(SHAPES):
        earlier = [sequence["greedy"] for sequence in sequences]
        sequence, outputs = make_sequence(model, case, prompts, number, shape, earlier)
        sequences.append(sequence)
        tensors |= outputs
    print(case.name, *(sequence["greedy"] for sequence in sequences), sep="\n  ", flush=True)
    check_varied(case, sequences)
    check_peaked(case, model, sequences[4], prompts)
    save_file(tensors, folder / "golden.safetensors")
    write_golden(folder / "golden.json", case, sequences)


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    with torch.inference_mode():
        for case in CASES:
            if len(sys.argv) == 1 or case.name in sys.argv[1:]:
                make(case)


if __name__ == "__main__":
    main()
