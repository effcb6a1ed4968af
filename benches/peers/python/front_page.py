"""The chart of the project's README, as text: a picture there would be lost on a registry's page."""

import math

from chart import brief
from contenders import CONTENDERS, TITLES

BEGIN = "<!-- chart: written by benches/peers/run -->"
END = "<!-- end of chart -->"
SHOWN = ["hypotenuse", "clean_up", "slope", "trimmed_mean"]
# The shortest bar is of this rate; each two places are ten times as much.
FROM = 1e3
PLACES = 2
WIDTH = 20
LABEL = 22


def write(figures, path):
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    chart = "\n".join(line.rstrip() for line in lines(figures))
    path.write_text(f"{before}{BEGIN}\n```text\n{chart}\n```\n{END}{after}", encoding="utf-8")


def lines(figures):
    yield f"{'rows per second':<{LABEL}}" + "".join(f"{TITLES[function]:<{WIDTH}}" for function in SHOWN)
    for contender in CONTENDERS:
        seconds = figures["seconds"].get(contender.name, {})
        cells = [cell(figures["rows"][function], seconds.get(function)) for function in SHOWN]
        yield f"{contender.label:<{LABEL}}" + "".join(f"{one:<{WIDTH}}" for one in cells)


def cell(rows, seconds):
    if seconds is None:
        return "–"
    rate = rows / seconds["median"]
    bar = "█" * max(1, round(PLACES * math.log10(rate / FROM)))
    return f"{bar} {brief(rate)}"
