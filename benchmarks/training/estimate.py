"""How long jobs will take."""

import statistics
from functools import cache

from data import LIMITS, definition, read
from grid import Baseline, Ensemble, Fit, Transfer

# Seconds on two cores with AMX: of a process, of an encoder row trained on, and of full tuning's update.
START = 0.5
ROW = {"prompt": 2.2e-5, "residual-mlp1": 2.2e-5, "full": 1.65e-4}
FULL_UPDATE = 0.01
# A row that is only asked, as a part of one trained on.
ASKED = 0.3
CHARACTERS_A_PIECE = 3.7


class Estimator:
    def __init__(self, data, threads, lines):
        """`lines` are finished jobs: as much as those took longer, the others will."""
        self.data, self.threads = data, threads
        self.pieces = cache(self.pieces)
        self.factors = {}
        for method in ROW:
            ratios = [
                line["seconds"] / self.fit(fit)
                for line in lines
                if line["kind"] == "fit" and line["method"] == method and line["threads"] == threads
                for fit in [Fit(**{field: line[field] for field in Fit.__dataclass_fields__})]
            ]
            if ratios:
                self.factors[method] = statistics.median(ratios)

    def pieces(self, task):
        """Text ids of a training row, about."""
        rows = read(self.data.split(task, "train"))[:500]
        longest = definition(task)["max_input_tokens"]
        return statistics.mean(min(longest, 1 + len(row["input"]) / CHARACTERS_A_PIECE) for row in rows)

    def fit(self, fit):
        evaluations = fit.steps // fit.evaluate_every + 1
        # The best prompt is asked the dev rows in several stored types, and again as it was written.
        asked = LIMITS["dev"] * (evaluations + 5) + LIMITS["test"]
        rows = (fit.steps * fit.batch + ASKED * asked) * ((fit.rows or 0) + self.pieces(fit.task))
        seconds = rows * ROW[fit.method] + (fit.steps * FULL_UPDATE if fit.method == "full" else 0)
        return START + seconds * 2 / self.threads

    def seconds(self, job):
        match job:
            case Fit():
                return self.fit(job) * self.factors.get(job.method, 1)
            case Baseline():
                return 1 if job.method == "largest-class" or job.few_shot else 10
            case Transfer():
                return 6 if job.fit.method == "full" else 2
            case Ensemble():
                members = len(job.members) * LIMITS["test"] * (job.fit.rows + self.pieces(job.fit.task))
                return 4 * START + members * ROW[job.fit.method] * ASKED * 2 / self.threads


def spoken(seconds):
    """Hours and minutes, or minutes, or seconds."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes >= 2 else f"{seconds:.0f} s"
