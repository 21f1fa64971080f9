#!/usr/bin/env python3
"""What `polyprompt core probe` prints, computed by transformers in float32 with eager attention.

    probe_reference.py --core DIR < requests.jsonl > answers.jsonl

Each line of standard input is {"prompt": [[..]], "input_ids": [..], "labels": [[..]]}; each line of
standard output is {"encoder_first", "encoder_last", "first_logits", "greedy", "beam4",
"label_log_likelihood"}. make_golden.py uses the same functions, so the golden files and this script cannot
disagree.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import GenerationConfig, MT5Config, MT5ForConditionalGeneration, T5Config
from transformers import T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

NEW_TOKENS = 12
BEAMS = 4


def read_tensors(directory, wanted):
    """The tensors of `wanted` that a core directory stores, whether in one file or in shards."""
    directory = Path(directory)
    index = directory / "model.safetensors.index.json"
    if index.exists():
        files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        files = ["model.safetensors"]
    found = {}
    for file in files:
        with safe_open(directory / file, framework="pt") as tensors:
            for name in set(tensors.keys()) & set(wanted):
                found[name] = tensors.get_tensor(name)
    return found


def load_core(directory):
    """Loads a T5 or mT5 directory in float32.

    A directory written by transformers 5 says `tie_word_embeddings: true` whatever the head is, so its head
    is looked at: an `lm_head.weight` that differs from the embedding is the head, and `scale_decoder_outputs`
    alone says whether the decoder's output is multiplied by d_model^-0.5. The factor goes into the head here,
    which is the same product.
    """
    values = json.loads((Path(directory) / "config.json").read_text())
    multilingual = values.get("model_type") == "mt5"
    config = (MT5Config if multilingual else T5Config).from_dict(values)
    model_class = MT5ForConditionalGeneration if multilingual else T5ForConditionalGeneration
    major_version = values.get("transformers_version", "4").split(".")[0]
    written_by_5 = "scale_decoder_outputs" in values or int(major_version) >= 5
    scaled = values.get("scale_decoder_outputs", config.tie_word_embeddings)
    if written_by_5:
        config.tie_word_embeddings = False
    model = model_class.from_pretrained(
        directory, config=config, dtype=torch.float32, attn_implementation="eager"
    )
    if written_by_5:
        stored = read_tensors(directory, ["lm_head.weight"]).get("lm_head.weight")
        head = model.shared.weight.detach() if stored is None else stored.float()
        factor = config.d_model**-0.5 if scaled else 1.0
        model.lm_head.weight = torch.nn.Parameter(head * factor)
    return model.eval()


def encode(model, prompt, input_ids, **options):
    """Encoder output for prompt rows `[rows, d_model]` followed by the embeddings of `input_ids`."""
    ids = torch.tensor(input_ids, dtype=torch.long)
    rows = torch.cat([prompt.to(torch.float32), model.shared(ids)])
    return model.encoder(inputs_embeds=rows[None], **options)


def start_id(model):
    start = model.config.decoder_start_token_id
    return 0 if start is None else start


def generate(model, hidden, beams, processors=None):
    """Generated ids without the start id, cut after the end-of-sequence id."""
    config = model.config
    settings = GenerationConfig(
        max_new_tokens=NEW_TOKENS,
        num_beams=beams,
        do_sample=False,
        length_penalty=1.0,
        early_stopping=False,
        decoder_start_token_id=start_id(model),
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    )
    output = model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        attention_mask=torch.ones(hidden.shape[:2], dtype=torch.long),
        generation_config=settings,
        use_model_defaults=False,
        logits_processor=processors or [],
    )
    ids = output[0, 1:].tolist()
    if config.eos_token_id in ids:
        ids = ids[: ids.index(config.eos_token_id) + 1]
    return ids


def decoder_logits(model, hidden, ids):
    """Logits `[ids + 1, vocab]` before each of `ids` and after the last."""
    decoder_ids = torch.tensor([[start_id(model)] + list(ids)], dtype=torch.long)
    encoded = BaseModelOutput(last_hidden_state=hidden)
    return model(encoder_outputs=encoded, decoder_input_ids=decoder_ids).logits[0]


def label_log_likelihood(model, hidden, label):
    """Sum over `label`'s ids of their log-probability among the whole vocabulary."""
    logits = decoder_logits(model, hidden, label[:-1])
    picked = torch.log_softmax(logits.double(), dim=-1).gather(1, torch.tensor(label)[:, None])
    return picked.sum().item()


def probe(model, request):
    width = model.config.d_model
    prompt = torch.tensor(request.get("prompt", []), dtype=torch.float32).reshape(-1, width)
    hidden = encode(model, prompt, request["input_ids"])[0]
    return {
        "encoder_first": hidden[0, 0, :8].tolist(),
        "encoder_last": hidden[0, -1, :8].tolist(),
        "first_logits": decoder_logits(model, hidden, [])[0, :16].tolist(),
        "greedy": generate(model, hidden, 1),
        "beam4": generate(model, hidden, BEAMS),
        "label_log_likelihood": [
            label_log_likelihood(model, hidden, label) for label in request.get("labels", [])
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", required=True, help="directory with config.json and safetensors")
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = load_core(options.core)
    with torch.inference_mode():
        for line in sys.stdin:
            if line.strip():
                print(json.dumps(probe(model, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
