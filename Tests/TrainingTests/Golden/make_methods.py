"""Writes methods.json and optimizers.json: what torch and transformers compute for the training methods.

    python make_methods.py

Needs torch and transformers (see ../../T5Tests/Golden/requirements.txt). The numbers follow from fixed seeds.
"""

import json
import math
import pathlib

import torch
import transformers
from torch import nn
from transformers.optimization import (
    Adafactor,
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

ROWS, WIDTH, BOTTLENECK = 5, 6, 4
FOLDER = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1


class SplitMix64:
    """The generator of Sources/Training/Optimizers/SplitMix64.swift, after its published form."""

    def __init__(self, seed, stream):
        self.state = seed
        self.state = self.next() ^ (stream * 0xD1B54A32D192ED03 & MASK)
        self.state = self.next()

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        return z ^ (z >> 31)

    def normal(self):
        radius = math.sqrt(-2 * math.log(1 - (self.next() >> 11) * 2.0**-53))
        return radius * math.cos(2 * math.pi * ((self.next() >> 11) * 2.0**-53))

    def below(self, bound):
        while True:
            product = self.next() * bound
            if product & MASK >= (1 << 64) % bound:
                return product >> 64

    def draw(self, count, candidates):
        order = list(candidates)
        for index in range(count):
            other = index + self.below(len(order) - index)
            order[index], order[other] = order[other], order[index]
        return order[:count]


def numbers(tensor):
    return [float(value) for value in tensor.detach().double().flatten()]


def leaf(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).requires_grad_()


def bottleneck(parameters, name, settings, x):
    separate = settings.get("separate_networks", False)
    outer = [ROWS] if separate else []
    down, down_bias = leaf(*outer, BOTTLENECK, WIDTH), leaf(*outer, BOTTLENECK)
    up, up_bias = leaf(*outer, WIDTH, BOTTLENECK), leaf(*outer, WIDTH)
    parameters |= {f"{name}.down.weight": down, f"{name}.down.bias": down_bias}
    parameters |= {f"{name}.up.weight": up, f"{name}.up.bias": up_bias}
    functions = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
    activation = functions[settings.get("activation", "relu")]
    gain, shift = leaf(*outer, WIDTH), leaf(*outer, WIDTH)
    layer_norm = settings.get("layer_norm", True)
    if layer_norm:
        parameters |= {f"{name}.norm.weight": gain, f"{name}.norm.bias": shift}

    def one(row, index):
        def pick(tensor):
            return tensor[index] if separate else tensor

        y = nn.functional.linear(row, pick(down), pick(down_bias))
        y = nn.functional.linear(activation(y), pick(up), pick(up_bias))
        return nn.functional.layer_norm(y, [WIDTH], pick(gain), pick(shift), 1e-5) if layer_norm else y

    return torch.stack([one(x[index], index) for index in range(ROWS)])


def lstm(parameters, layers, x):
    module = nn.LSTM(WIDTH, WIDTH // 2, layers, bidirectional=True, batch_first=True)
    for layer in range(layers):
        for suffix, direction in (("", "forward"), ("_reverse", "backward")):
            for ours, theirs in (("input", "ih"), ("hidden", "hh")):
                for kind in ("weight", "bias"):
                    name = f"network{layer + 1}.{direction}.{ours}.{kind}"
                    parameters[name] = getattr(module, f"{kind}_{theirs}_l{layer}{suffix}")
    return module(x[None])[0][0]


def residual(settings):
    prompt = leaf(ROWS, WIDTH)
    parameters = {"prompt": prompt}
    kind = settings["method"].removeprefix("residual-")
    if kind.startswith("lstm"):
        y = lstm(parameters, int(kind[-1]), prompt)
    else:
        y = prompt
        for index in range(int(kind[-1])):
            y = bottleneck(parameters, f"network{index + 1}", settings, y)
    return parameters, y + prompt if settings.get("residual", True) else y


def prompt(settings, seed, candidates, embeddings):
    method = settings["method"]
    if method.startswith("residual"):
        return residual(settings)
    if method == "prompt":
        rows = leaf(ROWS, WIDTH)
        return {"prompt": rows}, rows * 1
    if method == "dpt":
        left, right = leaf(ROWS, settings["rank"]), leaf(settings["rank"], WIDTH)
        return {"left": left, "right": right}, left @ right
    generator = SplitMix64(seed, 3)
    if method == "ulpt":
        latent = settings["latent"]
        projection = torch.tensor([generator.normal() for _ in range(WIDTH * latent)]) * latent**-0.5
        coordinates, scale, shift = leaf(ROWS, latent), leaf(WIDTH), leaf(WIDTH)
        result = (coordinates @ projection.view(WIDTH, latent).T) * scale + shift
        return {"coordinates": coordinates, "scale": scale, "shift": shift}, result
    ids = generator.draw(settings["bases"], candidates)
    weights = leaf(ROWS, settings["bases"])
    return {"weights": weights}, weights @ torch.stack([embeddings[id] for id in ids])


def method_cases():
    candidates = [3, 4, 5, 7, 9, 11, 12]
    embeddings = {id: torch.randn(WIDTH) for id in candidates}
    mlp = {"rows": ROWS, "bottleneck": BOTTLENECK}
    settings = [
        {"method": "prompt", "rows": ROWS},
        {"method": "residual-mlp1", **mlp},
        {"method": "residual-mlp1", **mlp, "activation": "tanh", "layer_norm": False},
        {"method": "residual-mlp1", **mlp, "activation": "sigmoid", "residual": False},
        {"method": "residual-mlp1", **mlp, "separate_networks": True},
        {"method": "residual-mlp2", **mlp},
        {"method": "residual-mlp2", **mlp, "activation": "tanh", "residual": False, "layer_norm": False},
        {"method": "residual-mlp2", **mlp, "activation": "sigmoid", "separate_networks": True},
        {"method": "residual-lstm1", "rows": ROWS},
        {"method": "residual-lstm1", "rows": ROWS, "residual": False},
        {"method": "residual-lstm2", "rows": ROWS},
        {"method": "dpt", "rows": ROWS, "rank": 3},
        {"method": "ulpt", "rows": ROWS, "latent": 2},
        {"method": "superpos", "rows": ROWS, "bases": 4},
    ]
    cases = []
    for seed, setting in enumerate(settings):
        parameters, result = prompt(setting, seed, candidates, embeddings)
        gradient = torch.randn(ROWS, WIDTH)
        result.backward(gradient)
        cases.append({
            "settings": setting, "seed": seed, "prompt": numbers(result), "gradient": numbers(gradient),
            "parameters": {name: numbers(value) for name, value in parameters.items()},
            "gradients": {name: numbers(value.grad) for name, value in parameters.items()},
        })
    return {
        "width": WIDTH, "candidates": candidates,
        "embeddings": {str(id): numbers(row) for id, row in embeddings.items()}, "cases": cases,
    }


def optimizer_case(settings, make, rate):
    shapes = {"matrix": [3, 4], "vector": [5], "stack": [2, 3, 2]}
    parameters = {name: nn.Parameter(torch.randn(*shape)) for name, shape in shapes.items()}
    optimizer = make(list(parameters.values()))
    case = {"settings": settings, "rate": rate, "shapes": shapes, "steps": []}
    case["start"] = {name: numbers(value) for name, value in parameters.items()}
    for step in range(6):
        # Gradients of very different size, and once of 0.
        for parameter in parameters.values():
            parameter.grad = torch.randn_like(parameter) * 10.0 ** (step - 3) * (step != 4)
        gradients = {name: numbers(value.grad) for name, value in parameters.items()}
        optimizer.step()
        values = {name: numbers(value) for name, value in parameters.items()}
        case["steps"].append({"gradients": gradients, "values": values})
    return case


def optimizer_cases():
    def adamw(rate, decay=1e-5, betas=(0.9, 0.999), eps=1e-8):
        settings = {"name": "adamw", "weight_decay": decay, "beta1": betas[0], "beta2": betas[1],
                    "epsilon": eps}
        return optimizer_case(
            settings, lambda p: torch.optim.AdamW(p, lr=rate, weight_decay=decay, betas=betas, eps=eps), rate)

    def adafactor(rate, decay=1e-5, scaling=False, beta1=None, clip=1.0, power=0.8):
        settings = {"name": "adafactor", "weight_decay": decay, "parameter_scaling": scaling, "beta1": beta1,
                    "clip_threshold": clip, "decay": power}
        return optimizer_case(
            settings, lambda p: Adafactor(
                p, lr=rate, weight_decay=decay, scale_parameter=scaling, relative_step=False, beta1=beta1,
                clip_threshold=clip, decay_rate=-power), rate)

    return [
        adamw(0.3), adamw(0.01, decay=0.1, betas=(0.8, 0.95), eps=1e-6),
        adafactor(0.3), adafactor(0.1, scaling=True), adafactor(0.1, beta1=0.9, clip=0.5, decay=0.01, power=0.5),
    ]


def schedule_cases():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    cases = []
    for warm_up, total in ((0, 7), (3, 10), (5, 5), (4, 2)):
        made = {
            "constant": get_constant_schedule_with_warmup(optimizer, warm_up),
            "linear": get_linear_schedule_with_warmup(optimizer, warm_up, total),
            "cosine": get_cosine_schedule_with_warmup(optimizer, warm_up, total),
        }
        for shape, schedule in made.items():
            # Behind its end transformers' cosine rises again; ours stays at 0.
            last = total + 1 if shape == "cosine" else total + 3
            cases.append({
                "shape": shape, "warm_up": warm_up, "total": total,
                "factors": [schedule.lr_lambdas[0](step) for step in range(last)],
            })
    return cases


def clipping_case():
    parameters = [nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(2, 3))]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    before = [numbers(parameter.grad) for parameter in parameters]
    norm = nn.utils.clip_grad_norm_(parameters, 0.5)
    return {"maximum": 0.5, "before": before, "norm": float(norm),
            "after": [numbers(parameter.grad) for parameter in parameters]}


def write(name, value):
    text = json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, **value},
                      separators=(",", ":"))
    (FOLDER / name).write_text(text + "\n")


torch.manual_seed(0)
write("methods.json", method_cases())
write("optimizers.json", {
    "optimizers": optimizer_cases(), "schedules": schedule_cases(), "clipping": clipping_case()})
