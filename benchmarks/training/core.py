"""The core that all of the evidence is made with, and how much of it a training changes."""

import json
import math
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CORE = REPOSITORY / "models/polyprompt-mini"
WEIGHTS = CORE / "model.safetensors"


@cache
def parameters():
    """The number of the core's weights, from the header of their file."""
    with open(WEIGHTS, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def trained_parameters(fit, settings):
    """The numbers that a training changes. `settings` are those of its train.json."""
    if fit.method == "full":
        return parameters()
    width = json.loads((CORE / "config.json").read_text())["d_model"]
    prompt = fit.rows * width
    if fit.method == "prompt":
        return prompt
    inner = settings["bottleneck"]
    # Down and up with their offsets, and LayerNorm's two numbers a column.
    return prompt + (width * inner + inner) + (inner * width + width) + 2 * width
