#!/usr/bin/env python3
"""Draws peers.json and training.json as one SVG for each core, workload and processor, beside them.

    plot.py [benchmarks/results/peers.json ...]
"""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot

OURS, PEER = "#c2410c", "#94a3b8"
UNITS = {"train-step": "seconds a step, median; less is better"}


def short(processor):
    """A processor's name without what only fills it, as in file names: `intel-xeon`."""
    words = re.sub(r"\(\w+\)|[^\w ]", " ", processor.lower()).split()
    return "-".join(word for word in words if word not in ("processor", "cpu"))


def plot(path):
    # Texts stay texts and identifiers stay the same, so that a new drawing differs only where data do.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "peers", "font.size": 10})
    for entry in json.loads(Path(path).read_text()):
        bars = [(f"polyprompt {name}", rate, OURS) for name, rate in entry["ours"].items()]
        bars += [(name.replace("-", " "), rate, PEER) for name, rate in entry["peers"].items()]
        unit = UNITS.get(entry["workload"], "requests/s, median")
        # The best on top.
        bars.sort(key=lambda bar: bar[1], reverse=entry["workload"] in UNITS)
        names, rates, colours = zip(*bars)
        figure, axes = pyplot.subplots(figsize=(7, 0.6 + 0.34 * len(bars)), layout="constrained")
        drawn = axes.barh(names, rates, color=colours)
        axes.bar_label(drawn, fmt="%.3g", padding=3)
        axes.set_xlabel(unit)
        title = f"{entry['core']}, {entry['workload']}, {entry['threads']} threads, {entry['processor']}"
        axes.set_title(title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.1)
        name = f"{Path(path).stem}-{entry['core']}-{entry['workload']}-{short(entry['processor'])}.svg"
        figure.savefig(Path(path).with_name(name), metadata={"Date": None})
        pyplot.close(figure)


if __name__ == "__main__":
    results = Path(__file__).resolve().parent.parent / "results"
    files = [results / name for name in ["peers.json", "training.json"]]
    for file in sys.argv[1:] or filter(Path.exists, files):
        plot(file)
