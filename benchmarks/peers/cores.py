"""Random cores of published shapes, and the forms in which each peer reads them."""

import shutil
from pathlib import Path

import ctranslate2
import torch
from ctranslate2.converters.transformers import T5Loader
from optimum.intel import OVModelForSeq2SeqLM, OVWeightQuantizationConfig
from optimum.onnxruntime import ORTModelForSeq2SeqLM
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

import workloads

SHAPES = {
    "tiny": dict(vocab_size=1000, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4),
    "t5-small": dict(vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8),
    "t5-base": dict(vocab_size=32128, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12),
}
EOS = 1


def make_core(name, folder):
    """Saves a random core in which the end-of-sequence id never wins, so that all engines do equal work.

    Its embedding row, which is also its row of the tied head, is zero: its logit is 0, below the best of
    thousands of others. The decoder's last gains have both signs, or a tied head would repeat one id.
    """
    torch.manual_seed(0)
    config = T5Config(**SHAPES[name], decoder_start_token_id=0)
    model = T5ForConditionalGeneration(config)
    with torch.no_grad():
        model.shared.weight[EOS] = 0
        torch.nn.init.normal_(model.decoder.final_layer_norm.weight)
    save(model, folder)
    return model


def save(model, folder):
    model.generation_config = GenerationConfig(
        decoder_start_token_id=0, eos_token_id=EOS, pad_token_id=0
    )
    model.save_pretrained(folder)


def extend(model, prompts, folder):
    """Saves the same core with the prompts' rows as further embeddings, for engines that take only ids.

    Task t's row r is id vocab_size + t * PROMPT_ROWS + r. The head is untied, since those ids must not be
    generated: their rows of it are zero. The scaling that goes with a tied head goes into its rows.
    """
    config = T5Config(**model.config.to_dict())
    rows = torch.cat([torch.from_numpy(prompts[name]) for name in sorted(prompts)])
    embedding = torch.cat([model.shared.weight.detach(), rows])
    head = embedding * config.d_model**-0.5
    head[config.vocab_size :] = 0
    config.vocab_size = len(embedding)
    config.tie_word_embeddings = False
    extended = T5ForConditionalGeneration(config)
    names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
    weights = model.state_dict() | dict.fromkeys(names, embedding) | {"lm_head.weight": head}
    extended.load_state_dict(weights)
    save(extended, folder)


def convert_ctranslate2(source, folder, quantization):
    """As CTranslate2's own converter does, less the tokenizer: ids are named by their number."""
    # Read anew for each conversion, since quantizing overwrites the model's own weights.
    extended = T5ForConditionalGeneration.from_pretrained(source)
    loader = T5Loader()
    spec = loader.get_model_spec(extended)
    names = [str(number) for number in range(extended.config.vocab_size)]
    loader.set_vocabulary(spec, names)
    spec.config.bos_token = spec.config.decoder_start_token = names[0]
    spec.config.eos_token, spec.config.unk_token = names[EOS], names[2]
    spec.config.add_source_eos = False
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True)
    spec.save(str(folder))


def convert_openvino(source, folder, weights):
    # Weights of 8 bits by channel; OpenVINO quantizes the activations of such products at run time.
    compression = OVWeightQuantizationConfig(bits=8, sym=True) if weights == "int8" else None
    options = {"quantization_config": compression} if compression else {"load_in_8bit": False}
    model = OVModelForSeq2SeqLM.from_pretrained(source, export=True, compile=False, **options)
    model.save_pretrained(folder)


def convert_onnxruntime(source, folder):
    """Dynamic int8: weights by output channel, activations at run time."""
    plain = folder.with_name("onnxruntime-float32")
    ORTModelForSeq2SeqLM.from_pretrained(source, export=True).save_pretrained(plain)
    shutil.copytree(plain, folder, ignore=shutil.ignore_patterns("*.onnx*"))
    for file in plain.glob("*.onnx"):
        quantize_dynamic(file, folder / file.name, per_channel=True, weight_type=QuantType.QInt8)
    shutil.rmtree(plain)


def prepare(name, root):
    """Makes what is missing under `root/<name>` and returns that folder.

    plain/, extended/, workload files, and a folder for each converted engine.
    """
    root = Path(root) / name
    finished = root / "finished"
    if finished.exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    model = make_core(name, root / "plain")
    prompts = workloads.make_prompts(model.config, root)
    extend(model, prompts, root / "extended")
    for quantization in ["int8", "float32"]:
        convert_ctranslate2(root / "extended", root / f"ctranslate2-{quantization}", quantization)
    convert_openvino(root / "extended", root / "openvino-bfloat16", "float32")
    convert_openvino(root / "extended", root / "openvino-int8", "int8")
    convert_onnxruntime(root / "extended", root / "onnxruntime-int8")
    finished.touch()
    return root
