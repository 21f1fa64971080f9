"""What Razdaibiedina et al. (2023) report, and the same differences here."""

import statistics

from grid import FEW_SHOT_ROWS, MAIN_ROWS, PROMPT_METHODS
from tables import NONE, PAPER_RATES, mean, points, signed, table

PLAIN, RESIDUAL = PROMPT_METHODS


def gain(tables, tasks, length, shots=None):
    """How much better residual networks do than plain prompts, over the tasks for which both are complete."""
    gains = []
    for task in tasks:
        plain, residual = [
            tables.mean_of(tables.grid.seeds(task, method, length, shots)) for method in [PLAIN, RESIDUAL]
        ]
        if None not in [plain, residual]:
            gains.append(residual - plain)
    better = sum(gain > 0 for gain in gains)
    return f"{signed(statistics.mean(gains))} (better in {better} of {len(gains)} tasks)" if gains else NONE


def each_task(tables, show):
    return ", ".join(f"{task} {show(task)}" for task in tables.grid.studied) or NONE


def spreads(tables, method):
    return each_task(tables, lambda task: points(tables.spread(task, method, "vocabulary", PAPER_RATES)))


def initialization(tables, method):
    """The mean over the rates when initialized with pieces of the vocabulary, minus that with uniform numbers."""

    def average(task, init):
        scores = [tables.stability_scores(task, method, init, rate) for rate in PAPER_RATES]
        return mean([score[0] if score else None for score in scores])

    def difference(task):
        known, drawn = average(task, "vocabulary"), average(task, "uniform")
        return None if None in [known, drawn] else known - drawn

    return each_task(tables, lambda task: signed(difference(task)))


def compare(tables):
    tasks, studied = tables.grid.tasks, tables.grid.studied
    reported = {10: "about +3", 100: "over +7", 5: "+7", 20: "+2"}
    rows = [
        [f"residual minus prompt, {length} rows", f"{reported[length]} (T5-base)", gain(tables, tasks, length)]
        for length in MAIN_ROWS
    ]
    rows += [
        [
            f"residual minus prompt, {shots} rows per class",
            f"{reported[shots]} (T5-large)",
            gain(tables, studied, FEW_SHOT_ROWS, shots),
        ]
        for shots in [5, 20]
    ]
    rows += [
        ["learning rates 0.01–10, residual: spread", "within 2", spreads(tables, RESIDUAL)],
        ["the same, prompt", "", spreads(tables, PLAIN)],
        ["vocabulary minus uniform, residual", "about 0", initialization(tables, RESIDUAL)],
        ["the same, prompt", "", initialization(tables, PLAIN)],
    ]
    return table(["points", "paper, SuperGLUE", "here"], rows)
