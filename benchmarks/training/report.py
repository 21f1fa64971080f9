#!/usr/bin/env python3
"""Writes what evidence.py found as tables into a document, and as plots beside the results.

    .build/peers-venv/bin/python benchmarks/training/report.py

The tables go into docs/training-results.md, between its lines `<!-- evidence -->` and `<!-- /evidence -->`. What has not been run
shows as –.
"""

import argparse
import os
from pathlib import Path

import results
from claims import compare
from core import REPOSITORY
from data import LIMITS
from grid import (
    ENSEMBLE_ROWS,
    FEW_SHOT_ROWS,
    LENGTHS,
    MAIN_ROWS,
    METHODS,
    PROMPT_METHODS,
    RATES,
    SEEDS,
    SHOTS,
    STABILITY_INITS,
    STABILITY_RATES,
    STABILITY_ROWS,
    TOPICS,
    Grid,
)
from options import add_common, budget_of
from plots import draw
from tables import SHORT, Tables

SHORT_ROWS, LONG_ROWS = MAIN_ROWS
BEGIN, END = "<!-- evidence -->", "<!-- /evidence -->"
COMMANDS = """\
benchmarks/peers/setup.sh
swift build -c release
.build/peers-venv/bin/python benchmarks/training/evidence.py --data DIR \\
  --polyprompt-train .build/release/polyprompt-train --polyprompt .build/release/polyprompt
.build/peers-venv/bin/python benchmarks/training/report.py"""


def spoken(values):
    *most, last = [f"{value:g}" for value in values]
    return f"{', '.join(most)} and {last}"


def plot(tables, folder):
    """The names of the plots for which there is something to draw."""
    grid, few_shot = tables.grid, {}
    rates = {
        task: {
            (method, init): {
                rate: tables.stability_scores(task, method, init, rate) for rate in STABILITY_RATES
            }
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
        few_shot[task][("bag of words", None)] = {
            shots: tables.few_shot_words(task, shots) for shots in SHOTS
        }
    drawn = {
        "rates": draw(folder / "evidence-rates.svg", rates, "learning rate", STABILITY_RATES),
        "length": draw(folder / "evidence-length.svg", lengths, "rows of the prompt", list(LENGTHS)),
        "few-shot": draw(folder / "evidence-few-shot.svg", few_shot, "training rows a class", SHOTS),
    }
    return [name for name, is_drawn in drawn.items() if is_drawn]


def introduction(budget):
    train, dev, test = LIMITS.values()
    return (
        f"Prompts had {budget.steps} steps, full tuning {budget.full_steps}, both {budget.few_shot_steps}"
        f" with few rows per class, of {budget.batch} rows each. They were evaluated on the dev set ten times (full"
        f" tuning: five times) and the best was kept. Of each task at most {train:,} training, {dev:,} dev and {test:,} test"
        " rows were drawn, the same for all methods and for the baselines. Scores are percent on the test"
        " rows: accuracy, or the metric named. With ± they are mean and standard deviation over the"
        f" seeds"
        f" {spoken(SEEDS)}; (1 of {len(SEEDS)}) is one seed's; – has not been run. The largest class is the"
        " score of the best constant answer. The bag of words (TF-IDF, logistic regression) is trained on the"
        " same rows, its penalty chosen on the dev rows."
    )


def markdown(tables, images):
    """All of what goes between the markers. `images`: the plots that there are, by name."""
    candidates = "; ".join(f"{SHORT[method]}: {spoken(RATES[method])}" for method in METHODS)
    labels = ", ".join(f"{own} as {name}" for own, name in TOPICS.items())

    def section(title, *parts, image=None):
        shown = [f"![{title}]({images[image]})"] if image in images else []
        return [f"### {title}", *shown, *parts]

    return "\n\n".join(
        [
            introduction(tables.grid.budget),
            *section(
                "Methods",
                tables.main(),
                f"Learning rates, chosen by the dev score of seed {SEEDS[0]}, of equal ones the smallest"
                f" ({candidates}):",
                tables.rates(),
            ),
            *section(
                "Beside the paper", "Razdaibiedina et al. (2023), differences in points.", compare(tables)
            ),
            *section("Size", tables.parameters()),
            *section(
                "Learning rates and initialization",
                f"Prompts of {STABILITY_ROWS} rows, seed {SEEDS[0]}, one run per cell. The rate is that of the"
                " prompt; a residual network's own stays at its default. The spread is the best of a line"
                " minus the worst.",
                tables.stability(),
                image="rates",
            ),
            *section(
                "Length",
                f"Trained with the learning rates chosen for {SHORT_ROWS} rows, from 50 rows on with those"
                f" for {LONG_ROWS}.",
                tables.length(),
                image="length",
            ),
            *section(
                "Few training rows",
                f"Prompts of {FEW_SHOT_ROWS} rows; the learning rates are those chosen with all training"
                " rows. Each seed has other rows. The dev rows, by which the step is chosen, are as many as"
                " above.",
                tables.few_shot(),
                image="few-shot",
            ),
            *section(
                "Another domain",
                f"Nothing was trained on the domains asked. Labels of bbc_news: {labels}; its rows about"
                " entertainment are left out.",
                tables.transfer(),
            ),
            *section(
                "Ensembles",
                f"Prompts of {ENSEMBLE_ROWS} rows: those of all seeds answering as one, by the mean of their"
                " probabilities or by majority.",
                tables.ensemble(),
            ),
            *section("Make them again", f"```\n{COMMANDS}\n```"),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--document", type=Path, default=REPOSITORY / "docs/training-results.md")
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
        raise SystemExit(
            f"{options.document}: add the two lines {BEGIN} and {END} where the tables are to be"
        )
    options.document.write_text(f"{before}{begin}\n{markdown(tables, images)}\n{end}{after}")


if __name__ == "__main__":
    main()
