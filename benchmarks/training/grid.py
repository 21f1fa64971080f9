"""Which jobs the evidence is made of, and in what order: the most telling ones first."""

from dataclasses import dataclass, replace

TASKS = ["agnews", "clinc_domain", "sms_spam", "snips", "sst2", "subj", "trec", "tweet_emotion"]
PROMPT_METHODS = ["prompt", "residual-mlp1"]
METHODS = [*PROMPT_METHODS, "full"]
SEEDS = [0, 1, 2]
# From which each task and method has its learning rate chosen by the dev rows, with the first seed.
RATES = {"prompt": [0.03, 0.3, 1], "residual-mlp1": [0.03, 0.3, 1], "full": [0.0003, 0.001]}
MAIN_ROWS = [10, 100]
# Stability, lengths and few rows are looked at with these tasks.
STUDIED = ["trec", "sst2"]
STABILITY_ROWS = 10
STABILITY_RATES = [0.001, 0.01, 0.1, 0.3, 1, 10]
STABILITY_INITS = ["vocabulary", "uniform", "labels"]
# Prompts of so many rows, and those of the main table whose learning rate they are trained with.
LENGTHS = {5: 10, 10: 10, 20: 10, 50: 100, 100: 100}
FEW_SHOT_ROWS = 10
SHOTS = [5, 20, 100]
TRANSFER_ROWS = 10
ENSEMBLE_ROWS = 10
# Other domains: the task that is asked, and their labels under its names. Other labels' rows are left out.
SENTIMENT = {"negative": "negative", "positive": "positive"}
TOPICS = {"business": "Business", "politics": "World", "sport": "Sports", "tech": "Sci/Tech"}
TARGETS = {
    "product_reviews": ("sst2", SENTIMENT),
    "restaurant_reviews": ("sst2", SENTIMENT),
    "bbc_news": ("agnews", TOPICS),
}
COMBINATIONS = ["mean", "majority"]
PARTS = ["rates", "main", "full", "stability", "length", "few-shot", "transfer", "ensemble"]


@dataclass(frozen=True)
class Budget:
    """How much each training gets."""

    steps: int = 600
    full_steps: int = 400
    few_shot_steps: int = 300
    batch: int = 16


@dataclass(frozen=True)
class Fit:
    """One training; its learning rate is `None` as long as it has not been chosen."""

    task: str
    method: str
    rows: int | None
    init: str | None
    learning_rate: float | None
    seed: int
    steps: int
    batch: int
    few_shot: int | None = None

    @property
    def evaluate_every(self):
        """Full tuning, evaluated on the dev set in float32, has half as many."""
        return max(1, self.steps // (5 if self.method == "full" else 10))

    @property
    def setting(self):
        """All but the seed, as a name."""
        prompt = f"_{self.rows}-rows_{self.init}" if self.rows else ""
        shots = f"_{self.few_shot}-shot" if self.few_shot else ""
        rate = "chosen" if self.learning_rate is None else f"{self.learning_rate:g}"
        budget = f"{self.steps}x{self.batch}"
        return f"{self.task}_{self.method}{prompt}{shots}_rate-{rate}_{budget}"

    @property
    def name(self):
        return f"{self.setting}_seed-{self.seed}"


@dataclass(frozen=True)
class Baseline:
    """What is to be beaten: `largest-class`, or `bag-of-words` trained on the same rows.

    With a target it is asked the rows of that domain.
    """

    method: str
    task: str
    target: str | None = None
    few_shot: int | None = None
    seed: int | None = None

    @property
    def name(self):
        shots = [f"{self.few_shot}-shot", f"seed-{self.seed}"] if self.few_shot else []
        target = [self.target] if self.target else []
        return "_".join([self.method, self.task, *target, *shots])


@dataclass(frozen=True)
class Transfer:
    """A trained task asked rows of another domain."""

    fit: Fit
    target: str

    @property
    def name(self):
        return f"{self.target}_by_{self.fit.name}"


@dataclass(frozen=True)
class Ensemble:
    """The prompts of all seeds answering as one."""

    fit: Fit
    combination: str

    @property
    def members(self):
        return [replace(self.fit, seed=seed) for seed in SEEDS]

    @property
    def name(self):
        return f"{self.combination}_of_{self.fit.setting}"


class Grid:
    """The jobs, given `results`: what has finished, a dictionary by name. Choices need some of it."""

    def __init__(self, results, budget, tasks):
        self.results, self.budget, self.tasks = results, budget, tasks
        self.studied = [task for task in STUDIED if task in tasks]
        self.targets = [target for target, (task, _) in TARGETS.items() if task in tasks]

    def fit(self, task, method, rows, rate, seed=0, init="vocabulary", few_shot=None):
        budget, full = self.budget, method == "full"
        steps = budget.full_steps if full else budget.steps
        steps = budget.few_shot_steps if few_shot else steps
        rows, init = (None, None) if full else (rows, init)
        return Fit(task, method, rows, init, rate, seed, steps, budget.batch, few_shot)

    def candidates(self, task, method, rows):
        return [self.fit(task, method, rows, rate) for rate in RATES[method]]

    def rate(self, task, method, rows):
        """The rate with the best dev score, of equal ones the smallest; `None` until all are there."""
        lines = [self.results.get(fit.name) for fit in self.candidates(task, method, rows)]
        if None in lines:
            return None
        return max(lines, key=lambda line: (line["dev"], -line["learning_rate"]))["learning_rate"]

    def seeds(self, task, method, rows, few_shot=None):
        rate = self.rate(task, method, LENGTHS.get(rows))
        return [self.fit(task, method, rows, rate, seed, few_shot=few_shot) for seed in SEEDS]

    def trained(self, task, method, rows=None):
        """The learning rate's candidates, then every seed. The chosen candidate is the first seed's."""
        candidates = self.candidates(task, method, LENGTHS.get(rows))
        seeds = self.seeds(task, method, rows)
        if seeds[0].learning_rate is None and LENGTHS.get(rows) == rows:
            seeds = seeds[1:]
        return [*candidates, *seeds]

    def rates(self, rows):
        return [
            fit
            for task in self.tasks
            for method in PROMPT_METHODS
            for fit in self.candidates(task, method, rows)
        ]

    def baselines(self):
        return [Baseline(method, task) for task in self.tasks for method in ["largest-class", "bag-of-words"]]

    def main(self, rows):
        fits = [
            fit
            for task in self.tasks
            for method in PROMPT_METHODS
            for fit in self.trained(task, method, rows)
        ]
        return [*self.baselines(), *fits]

    def full(self):
        return [*self.baselines(), *(fit for task in self.tasks for fit in self.trained(task, "full"))]

    def transfer(self):
        jobs = []
        for target in self.targets:
            task, _ = TARGETS[target]
            jobs += [Baseline(method, task, target) for method in ["largest-class", "bag-of-words"]]
            for method in METHODS:
                jobs += self.trained(task, method, TRANSFER_ROWS)
                jobs += [Transfer(fit, target) for fit in self.seeds(task, method, TRANSFER_ROWS)]
        return jobs

    def ensemble(self):
        jobs = []
        for task in self.tasks:
            for method in PROMPT_METHODS:
                jobs += self.trained(task, method, ENSEMBLE_ROWS)
                first = self.seeds(task, method, ENSEMBLE_ROWS)[0]
                jobs += [Ensemble(first, combination) for combination in COMBINATIONS]
        return jobs

    def stability(self):
        return [
            self.fit(task, method, STABILITY_ROWS, rate, init=init)
            for task in self.studied
            for method in PROMPT_METHODS
            for init in STABILITY_INITS
            for rate in STABILITY_RATES
        ]

    def few_shot(self):
        jobs = []
        for task in self.studied:
            jobs += [Baseline("largest-class", task)]
            for method in METHODS:
                jobs += self.candidates(task, method, FEW_SHOT_ROWS)
            for shots in SHOTS:
                jobs += [Baseline("bag-of-words", task, None, shots, seed) for seed in SEEDS]
                for method in METHODS:
                    jobs += self.seeds(task, method, FEW_SHOT_ROWS, shots)
        return jobs

    def length(self):
        return [
            fit
            for task in self.studied
            for method in PROMPT_METHODS
            for rows in LENGTHS
            for fit in self.trained(task, method, rows)
        ]

    def jobs(self, parts):
        """The jobs of these parts, each once. A job comes after those that it needs."""
        short, long = MAIN_ROWS
        stages = [
            ("rates", lambda: self.rates(short)),
            ("main", lambda: self.main(short)),
            ("full", self.full),
            ("transfer", self.transfer),
            ("ensemble", self.ensemble),
            ("stability", self.stability),
            ("few-shot", self.few_shot),
            ("length", self.length),
            ("rates", lambda: self.rates(long)),
            ("main", lambda: self.main(long)),
        ]
        return list(dict.fromkeys(job for part, jobs in stages if part in parts for job in jobs()))
