"""Curves of the evidence, each an SVG with a panel a task."""

import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot

COLOURS = {"prompt": "#64748b", "residual-mlp1": "#c2410c", "full": "#0f766e", "bag of words": "#a16207"}
DASHES = {"vocabulary": "-", "uniform": "--", "labels": ":"}


def spread(scores):
    """Mean and standard deviation, in points; a gap in the curve where there are no scores."""
    points = [100 * score for score in scores]
    if not points:
        return float("nan"), 0
    return statistics.mean(points), statistics.stdev(points) if len(points) > 1 else 0


def draw(file, panels, label, ticks):
    """`panels`: {task: {(method, init or None): {x: scores}}}. Bars are the standard deviation over the seeds.

    Says whether there was anything to draw.
    """
    if not any(scores for lines in panels.values() for line in lines.values() for scores in line.values()):
        return False
    # Texts stay texts and identifiers stay the same, so that a new drawing differs only where data do.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "evidence", "font.size": 10})
    figure, all_axes = pyplot.subplots(
        1, len(panels), figsize=(4.2 * len(panels) + 0.4, 3.4), layout="constrained", squeeze=False
    )
    for axes, (task, lines) in zip(all_axes[0], panels.items()):
        for (method, init), line in lines.items():
            means, deviations = zip(*map(spread, line.values()))
            axes.errorbar(
                list(line),
                means,
                yerr=deviations if any(deviations) else None,
                color=COLOURS[method],
                linestyle=DASHES[init or "vocabulary"],
                marker="o",
                markersize=3,
                capsize=2,
                label=f"{method}, {init}" if init else method,
            )
        axes.set_xscale("log")
        axes.set_xlim(ticks[0] / 1.2, ticks[-1] * 1.2)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_title(task, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0][0].set_ylabel("test score, points")
    handles, names = all_axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    return True
