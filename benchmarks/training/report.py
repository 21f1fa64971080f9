#!/usr/bin/env python3
"""Writes what evidence.py found as tables into a document, and as plots beside the results.

    .build/peers-venv/bin/python benchmarks/training/report.py

The tables go between the document's lines `<!-- evidence -->` and `<!-- /evidence -->`. What has not been run
shows as –.
"""

import argparse
import os
from pathlib import Path

import results
from core import REPOSITORY
from grid import LENGTHS, METHODS, PROMPT_METHODS, SHOTS, STABILITY_INITS, STABILITY_RATES, Grid
from options import add_common, budget_of
from plots import draw
from tables import Tables

BEGIN, END = "<!-- evidence -->", "<!-- /evidence -->"


def plot(tables, folder):
    """The names of the plots for which there is something to draw."""
    grid, few_shot = tables.grid, {}
    rates = {
        task: {
            (method, init): {rate: tables.stability_scores(task, method, init, rate) for rate in STABILITY_RATES}
            for method in PROMPT_METHODS
            for init in STABILITY_INITS
        }
        for task in grid.studied
    }
    lengths = {
        task: {
            (method, None): {rows: tables.scores(grid.seeds(task, method, rows)) for rows in LENGTHS}
            for method in PROMPT_METHODS
        }
        for task in grid.studied
    }
    for task in grid.studied:
        few_shot[task] = {
            (method, None): {shots: tables.few_shot_scores(task, method, shots) for shots in SHOTS}
            for method in METHODS
        }
        few_shot[task][("bag of words", None)] = {shots: tables.few_shot_words(task, shots) for shots in SHOTS}
    drawn = {
        "rates": draw(folder / "evidence-rates.svg", rates, "learning rate", STABILITY_RATES),
        "length": draw(folder / "evidence-length.svg", lengths, "rows of the prompt", list(LENGTHS)),
        "few-shot": draw(folder / "evidence-few-shot.svg", few_shot, "training rows a class", SHOTS),
    }
    return [name for name, is_drawn in drawn.items() if is_drawn]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--document", type=Path, default=REPOSITORY / "docs/training.md")
    parser.add_argument("--plots", type=Path, default=REPOSITORY / "benchmarks/results", help="their folder")
    add_common(parser)
    options = parser.parse_args()

    lines = results.load(options.results)
    tables = Tables(Grid(lines, budget_of(options), options.tasks))
    options.plots.mkdir(parents=True, exist_ok=True)
    folder = Path(os.path.relpath(options.plots, options.document.parent))
    images = {name: folder / f"evidence-{name}.svg" for name in plot(tables, options.plots)}
    text = options.document.read_text() if options.document.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{options.document}: add the two lines {BEGIN} and {END} where the tables are to be")
    options.document.write_text(f"{before}{begin}\n{tables.markdown(images)}\n{end}{after}")


if __name__ == "__main__":
    main()
