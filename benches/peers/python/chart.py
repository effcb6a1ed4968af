"""The chart: for each function the rows that a contender does in a second, on a logarithmic scale."""

import math

import matplotlib
from matplotlib import pyplot
from matplotlib.patches import Patch

from contenders import CONTENDERS, EXPRESSIONS, OURS, PYTHON, RUST, TITLES
from functions import FUNCTIONS

COLOURS = {OURS: "#c2410c", RUST: "#f0a868", EXPRESSIONS: "#8a8f98", PYTHON: "#5b8db8"}


def draw(figures, path):
    matplotlib.use("svg")
    # Texts stay texts, and one drawing of the same figures is as the other.
    pyplot.rcParams.update({
        "svg.fonttype": "none",
        "svg.hashsalt": "peers",
        "font.family": "sans-serif",
        "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
        "font.size": 9,
    })
    contenders = [contender for contender in CONTENDERS if contender.name in figures["seconds"]]
    figure, panels = pyplot.subplots(1, len(FUNCTIONS), sharey=True, figsize=(11.2, 0.3 * len(contenders) + 1.5))
    rates = {
        (contender.name, function): figures["rows"][function] / of["median"]
        for contender in contenders
        for function, of in figures["seconds"][contender.name].items()
    }
    for panel, function in zip(panels, FUNCTIONS):
        draw_panel(panel, contenders, function, rates)
    figure.suptitle("Rows per second on two cores. Longer is faster: each grey line is ten times the one to its left", x=0.01, ha="left", fontsize=12)
    groups = [Patch(color=colour, label=group) for group, colour in COLOURS.items()]
    figure.legend(handles=groups, loc="lower left", ncols=len(groups), frameon=False, fontsize=10, bbox_to_anchor=(0, 0))
    figure.tight_layout(rect=(0, 0.05, 1, 0.99), w_pad=0.6)
    figure.savefig(path, dpi=100, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def draw_panel(panel, contenders, function, rates):
    of_function = [rate for (_, name), rate in rates.items() if name == function]
    first = 10 ** math.floor(math.log10(min(of_function)) - 0.3)
    last = 10 ** (math.log10(max(of_function)) + 1.1)
    for place, contender in enumerate(contenders):
        rate = rates.get((contender.name, function))
        if rate is None:
            panel.text(first * 1.3, place, "–", va="center", color="#666666")
            continue
        panel.barh(place, rate - first, left=first, height=0.72, color=COLOURS[contender.group])
        bold = "bold" if contender.group == OURS else "normal"
        panel.text(rate * 1.25, place, brief(rate), va="center", fontsize=9, fontweight=bold)
    panel.set_xscale("log")
    panel.set_xlim(first, last)
    panel.set_ylim(len(contenders) - 0.4, -0.6)
    panel.set_yticks(range(len(contenders)), [contender.label for contender in contenders], fontsize=10)
    for label, contender in zip(panel.get_yticklabels(), contenders):
        label.set_fontweight("bold" if contender.group == OURS else "normal")
    panel.set_title(TITLES[function], loc="left", fontsize=11)
    panel.tick_params(left=False, bottom=False, labelbottom=False, which="both")
    panel.xaxis.set_major_locator(matplotlib.ticker.LogLocator(base=10, numticks=20))
    panel.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in panel.spines.values():
        side.set_visible(False)


def brief(rate):
    """Two digits that count: 94 k, 1.2 M, 310 M."""
    for size, unit in [(1e9, " G"), (1e6, " M"), (1e3, " k"), (1, "")]:
        if rate >= size:
            number = rate / size
            return f"{number:.1f}{unit}" if number < 9.95 else f"{float(f'{number:.2g}'):.0f}{unit}"
    return "0"
