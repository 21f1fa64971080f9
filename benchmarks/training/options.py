"""Options that say which runs are meant: evidence.py makes these, report.py shows them."""

from pathlib import Path

from core import REPOSITORY
from grid import TASKS, Budget


def words(text):
    return text.split(",")


def add_common(parser):
    budget = Budget()
    results = REPOSITORY / "benchmarks/results/evidence.jsonl"
    parser.add_argument("--results", type=Path, default=results)
    parser.add_argument("--tasks", type=words, default=TASKS, help="also: banking77, tweet_offensive")
    parser.add_argument("--steps", type=int, default=budget.steps, help="of prompts")
    parser.add_argument("--full-steps", type=int, default=budget.full_steps, help="of full tuning")
    parser.add_argument("--few-shot-steps", type=int, default=budget.few_shot_steps, help="with few rows")
    parser.add_argument("--batch", type=int, default=budget.batch, help="rows of a step")


def budget_of(options):
    return Budget(options.steps, options.full_steps, options.few_shot_steps, options.batch)
