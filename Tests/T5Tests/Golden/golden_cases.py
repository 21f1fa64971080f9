"""The golden cores: what each is there for, its configuration and how its weights are made and stored."""

from dataclasses import dataclass, field

import torch

EOS = 1


@dataclass
class Case:
    name: str
    about: str
    seed: int
    # What config.json says. Keys left out take transformers' defaults.
    config: dict
    # Standard deviation of the embedding's entries.
    embedding_scale: float = 1.0
    # Factor on the end-of-sequence row of the head, so that it wins now and then.
    eos_gain: float = 2.0
    # Whether the stored head is a tensor of its own.
    own_head: bool = False
    # Rows from this id on are zero, as in vocabularies padded for alignment.
    used_vocabulary: int | None = None
    dtype: torch.dtype = torch.float32
    shards: int = 1
    duplicate_embeddings: bool = False
    extra_files: dict = field(default_factory=dict)


def t5(**changes):
    """A complete v1.0 configuration, as transformers 4 writes it, with changes."""
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "vocab_size": 128,
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 96,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "initializer_factor": 1.0,
        "feed_forward_proj": "relu",
        "is_encoder_decoder": True,
        "use_cache": True,
        "pad_token_id": 0,
        "eos_token_id": EOS,
        "decoder_start_token_id": 0,
        "n_positions": 512,
        "torch_dtype": "float32",
        "transformers_version": "4.57.6",
        **changes,
    }


def transformers5(**changes):
    """As transformers 5 writes it: every head is said to be tied."""
    values = t5(
        dtype="float32",
        transformers_version="5.0.0",
        tie_word_embeddings=True,
        is_decoder=False,
        classifier_dropout=0.0,
        **changes,
    )
    del values["torch_dtype"]
    return values


CASES = [
    Case(
        "v1_0-relu-tied",
        "T5 1.0: ReLU, the head is the embedding and the decoder's output is scaled",
        seed=1201,
        config=t5(vocab_size=100, d_ff=80),
        embedding_scale=0.5,
    ),
    Case(
        "v1_1-gated-untied",
        "T5 1.1: gated GELU, own head; inner width, buckets, distance, epsilon and sizes off the usual",
        seed=902,
        config=t5(
            vocab_size=251,
            d_model=40,
            d_kv=20,
            num_heads=3,
            d_ff=52,
            num_layers=2,
            num_decoder_layers=1,
            relative_attention_num_buckets=20,
            relative_attention_max_distance=50,
            layer_norm_epsilon=0.01,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        ),
        own_head=True,
    ),
    Case(
        "sharded-bfloat16",
        "bfloat16 weights in two shards with an index",
        seed=1003,
        config=t5(
            d_model=32,
            num_heads=2,
            d_ff=64,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            torch_dtype="bfloat16",
        ),
        own_head=True,
        dtype=torch.bfloat16,
        shards=2,
    ),
    Case(
        "float16-padded-head",
        "float16 weights, vocabulary padded with zero rows, keys that equal the defaults left out",
        seed=404,
        config={
            "model_type": "t5",
            "vocab_size": 128,
            "d_model": 32,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 1,
            "tie_word_embeddings": False,
        },
        own_head=True,
        used_vocabulary=100,
        dtype=torch.float16,
    ),
    Case(
        "transformers5-untied",
        "transformers 5: said to be tied, yet with a head of its own and no scaling",
        seed=605,
        config=transformers5(
            d_model=32,
            num_heads=2,
            d_ff=64,
            feed_forward_proj="gated-gelu",
            dense_act_fn="gelu_new",
            is_gated_act=True,
            scale_decoder_outputs=False,
        ),
        own_head=True,
    ),
    Case(
        "transformers5-tied",
        "transformers 5: tied and scaled",
        seed=1206,
        config=transformers5(
            d_model=32,
            num_heads=2,
            d_ff=64,
            dense_act_fn="relu",
            is_gated_act=False,
            scale_decoder_outputs=True,
        ),
        embedding_scale=0.5,
    ),
    Case(
        "duplicate-embeddings",
        "copies of the embedding and of the tied head, and the cross-attention bias that nothing reads",
        seed=307,
        config=t5(d_model=32, num_heads=2, d_ff=64),
        embedding_scale=0.5,
        duplicate_embeddings=True,
    ),
    Case(
        "byt5-like",
        "ByT5: byte vocabulary, deeper encoder than decoder",
        seed=8,
        config=t5(
            vocab_size=384,
            d_model=32,
            num_heads=2,
            d_ff=72,
            num_layers=3,
            num_decoder_layers=1,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            tokenizer_class="ByT5Tokenizer",
        ),
        own_head=True,
        extra_files={
            "tokenizer_config.json": {
                "eos_token": "</s>",
                "extra_ids": 125,
                "pad_token": "<pad>",
                "tokenizer_class": "ByT5Tokenizer",
                "unk_token": "<unk>",
            }
        },
    ),
    Case(
        "mt5-like",
        "mT5: the model type whose defaults are gated GELU and a head of its own",
        seed=609,
        config={
            "architectures": ["MT5ForConditionalGeneration"],
            "model_type": "mt5",
            "vocab_size": 250,
            "d_model": 36,
            "d_kv": 16,
            "d_ff": 64,
            "num_layers": 2,
            "num_decoder_layers": 1,
            "num_heads": 2,
            "torch_dtype": "float32",
            "transformers_version": "4.57.6",
        },
        own_head=True,
    ),
]
