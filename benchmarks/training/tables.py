"""The evidence as Markdown tables."""

import statistics
from collections import Counter

import core
from data import metric
from grid import (
    COMBINATIONS,
    ENSEMBLE_ROWS,
    FEW_SHOT_ROWS,
    LENGTHS,
    MAIN_ROWS,
    METHODS,
    PROMPT_METHODS,
    SEEDS,
    SHOTS,
    STABILITY_INITS,
    STABILITY_RATES,
    STABILITY_ROWS,
    TARGETS,
    TRANSFER_ROWS,
    Baseline,
    Ensemble,
    Transfer,
)

NONE = "–"
# Those among which the paper's scores stayed within 2 points.
PAPER_RATES = [rate for rate in STABILITY_RATES if rate >= 0.01]
COLUMNS = [(method, rows) for rows in MAIN_ROWS for method in PROMPT_METHODS] + [("full", None)]
SHORT = {"prompt": "prompt", "residual-mlp1": "residual", "full": "full"}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def points(score):
    return NONE if score is None else f"{100 * score:.1f}"


def signed(difference):
    return NONE if difference is None else f"{100 * difference:+.1f}"


def cell(scores, wanted=len(SEEDS)):
    """Mean ± standard deviation of the sample; with fewer scores than wanted their mean and how many there are."""
    if not scores:
        return NONE
    mean = points(statistics.mean(scores))
    if len(scores) < wanted:
        return f"{mean} ({len(scores)} of {wanted})"
    return f"{mean} ± {points(statistics.stdev(scores))}"


def mean(values):
    """The mean of values that must all be there."""
    return statistics.mean(values) if values and None not in values else None


def column_name(method, rows):
    return f"{SHORT[method]} {rows}" if rows else SHORT[method]


class Tables:
    def __init__(self, grid):
        self.grid, self.lines = grid, grid.results

    def scores(self, jobs):
        """The test scores of those that have finished."""
        return [self.lines[job.name]["test"] for job in jobs if job.name in self.lines]

    def score(self, job):
        return next(iter(self.scores([job])), None)

    def mean_of(self, jobs):
        """The mean test score; `None` until all have finished."""
        return mean([self.score(job) for job in jobs])

    def stability_scores(self, task, method, init, rate):
        return self.scores([self.grid.fit(task, method, STABILITY_ROWS, rate, init=init)])

    def few_shot_scores(self, task, method, shots):
        return self.scores(self.grid.seeds(task, method, FEW_SHOT_ROWS, shots))

    def few_shot_words(self, task, shots):
        return self.scores([Baseline("bag-of-words", task, None, shots, seed) for seed in SEEDS])

    def main(self):
        baselines = ["largest-class", "bag-of-words"]
        head = ["task", "largest class", "bag of words", *(column_name(*column) for column in COLUMNS)]
        rows = []
        for task in self.grid.tasks:
            name = task if metric(task) == "accuracy" else f"{task} ({metric(task)})"
            row = [name, *(points(self.score(Baseline(method, task))) for method in baselines)]
            rows.append(row + [cell(self.scores(self.grid.seeds(task, *column))) for column in COLUMNS])
        tasks = self.grid.tasks
        row = ["mean"] + [
            points(self.mean_of([Baseline(method, task) for task in tasks])) for method in baselines
        ]
        for column in COLUMNS:
            row.append(
                points(self.mean_of([fit for task in tasks for fit in self.grid.seeds(task, *column)]))
            )
        return table(head, [*rows, row])

    def rates(self):
        head = ["task", *(column_name(*column) for column in COLUMNS)]
        chosen = [[self.grid.rate(task, *column) for column in COLUMNS] for task in self.grid.tasks]
        return table(
            head,
            [
                [task, *(NONE if rate is None else f"{rate:g}" for rate in rates)]
                for task, rates in zip(self.grid.tasks, chosen)
            ],
        )

    def parameters(self):
        head = ["", "trained numbers", "of the core's", "stored bytes", "stored as", "seconds per run"]
        size = core.WEIGHTS.stat().st_size
        rows = [["the core", f"{core.parameters():,}", "", f"{size:,}", "bfloat16", ""]]
        for method, length in COLUMNS:
            fits = [fit for task in self.grid.tasks for fit in self.grid.seeds(task, method, length)]
            lines = [self.lines[fit.name] for fit in fits if fit.name in self.lines]
            row = [column_name(method, length), *[NONE] * 5]
            if lines:
                trained = lines[0]["trained_parameters"]
                types = Counter(line.get("element_type", "float32") for line in lines)
                row[1:] = [
                    f"{trained:,}",
                    f"{100 * trained / core.parameters():.2g}%" if trained < core.parameters() else "100%",
                    f"{statistics.mean(line['stored_bytes'] for line in lines):,.0f}",
                    ", ".join(f"{name} ({count})" for name, count in types.most_common()),
                    f"{statistics.mean(line['seconds'] for line in lines):.0f}",
                ]
            rows.append(row)
        return table(head, rows)

    def spread(self, task, method, init, rates):
        scores = [score for rate in rates for score in self.stability_scores(task, method, init, rate)]
        return max(scores) - min(scores) if len(scores) == len(rates) else None

    def stability(self):
        rates = [f"{rate:g}" for rate in STABILITY_RATES]
        head = ["task", "method", "initialization", *rates, "spread", f"spread from {PAPER_RATES[0]:g}"]
        rows = []
        for task in self.grid.studied:
            for method in PROMPT_METHODS:
                for init in STABILITY_INITS:
                    row = [task, SHORT[method], init]
                    for rate in STABILITY_RATES:
                        row.append(points(next(iter(self.stability_scores(task, method, init, rate)), None)))
                    row += [
                        points(self.spread(task, method, init, each))
                        for each in [STABILITY_RATES, PAPER_RATES]
                    ]
                    rows.append(row)
        return table(head, rows)

    def length(self):
        rows = [
            [
                task,
                SHORT[method],
                *(cell(self.scores(self.grid.seeds(task, method, length))) for length in LENGTHS),
            ]
            for task in self.grid.studied
            for method in PROMPT_METHODS
        ]
        return table(["task", "method", *(f"{length} rows" for length in LENGTHS)], rows)

    def few_shot(self):
        head = ["task", "rows per class", "largest class", "bag of words", *SHORT.values()]
        rows = [
            [
                task,
                shots,
                points(self.score(Baseline("largest-class", task))),
                cell(self.few_shot_words(task, shots)),
            ]
            + [cell(self.few_shot_scores(task, method, shots)) for method in METHODS]
            for task in self.grid.studied
            for shots in SHOTS
        ]
        return table(head, rows)

    def transfer(self):
        """The task's own test rows, then those of the other domains."""
        methods = [column_name(method, None if method == "full" else TRANSFER_ROWS) for method in METHODS]
        head = ["trained on", "asked", "largest class", "bag of words", *methods]
        rows = []
        for task in dict.fromkeys(TARGETS[target][0] for target in self.grid.targets):
            for target in [None, *(target for target in self.grid.targets if TARGETS[target][0] == task)]:
                row = [task, target or task]
                row += [
                    points(self.score(Baseline(each, task, target)))
                    for each in ["largest-class", "bag-of-words"]
                ]
                for method in METHODS:
                    fits = self.grid.seeds(task, method, TRANSFER_ROWS)
                    row.append(cell(self.scores([Transfer(fit, target) for fit in fits] if target else fits)))
                rows.append(row)
        return table(head, rows)

    def ensemble(self):
        head = ["task", "method", "mean of the seeds", *(f"ensemble: {each}" for each in COMBINATIONS)]
        rows, gains = [], []
        for method in PROMPT_METHODS:
            for task in self.grid.tasks:
                fits = self.grid.seeds(task, method, ENSEMBLE_ROWS)
                seeds = self.mean_of(fits)
                together = [self.score(Ensemble(fits[0], each)) for each in COMBINATIONS]
                rows.append([task, column_name(method, ENSEMBLE_ROWS), points(seeds), *map(points, together)])
                if None not in [seeds, *together]:
                    gains.append([score - seeds for score in together])
        means = [mean(column) for column in zip(*gains)] or [None] * len(COMBINATIONS)
        return table(head, [*rows, [f"mean gain of {len(gains)}", "", "", *map(signed, means)]])
