"""The table in Markdown, which is written between two markers of README.md."""

from contenders import CONTENDERS, TITLES
from functions import FUNCTIONS

BEGIN = "<!-- figures: written by benches/peers/run -->"
END = "<!-- end of figures -->"


def write(figures, path):
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n\n{markdown(figures)}\n{END}{after}", encoding="utf-8")


def markdown(figures):
    return "\n".join([*about(figures), "", *rows(figures), "", *notes(figures), "", *ahead(figures)]) + "\n"


def about(figures):
    about = figures["about"]
    yield f"Measured on {about['date']} by `bash benches/peers/run`, with two workers."
    yield ""
    processor = f"{about['processor']}, {about['cores']} cores, {about['memory']} GiB of memory"
    if about["busy"] is not None:
        processor += f"; in the ten seconds before the start, {about['busy']:.0%} of the cores' time was taken by something else"
    yield f"- Machine: {processor}."
    yield f"- System: {about['system']}."
    yield f"- Rust: {versions(about['rust'])}."
    yield f"- Python: {versions(about['python'])}."


def versions(of):
    return ", ".join(f"{name} {version}" for name, version in of.items())


def rows(figures):
    yield "Milliseconds: the median, and in brackets the least and the most of the rounds. The least median of a column is in bold."
    yield ""
    titles = [f"{TITLES[function]}, {figures['rows'][function]:,} rows" for function in FUNCTIONS]
    yield "| | cores | " + " | ".join(titles) + " |"
    yield "|---|---|" + "--:|" * len(titles)
    for contender in CONTENDERS:
        seconds = figures["seconds"].get(contender.name)
        if seconds is None:
            continue
        cells = [cell(figures, seconds, function) for function in FUNCTIONS]
        yield f"| {contender.label} | {contender.cores} | " + " | ".join(cells) + " |"


def cell(figures, seconds, function):
    of = seconds.get(function)
    if of is None:
        return "–"
    least = min(other[function]["median"] for other in figures["seconds"].values() if function in other)
    median = milliseconds(of["median"])
    median = f"**{median}**" if of["median"] == least else median
    return f"{median} ({milliseconds(of['least'])}…{milliseconds(of['most'])})"


def milliseconds(seconds):
    """Three digits that count."""
    milliseconds = seconds * 1e3
    if milliseconds >= 100:
        return f"{milliseconds:,.0f}"
    return f"{milliseconds:.1f}" if milliseconds >= 10 else f"{milliseconds:.2f}"


def notes(figures):
    reasons = [f"{contender.label}: {contender.without}" for contender in CONTENDERS if contender.without]
    yield f"A dash: the contender has no such call ({'; '.join(reasons)})."


def ahead(figures):
    """Where this crate is not the quickest, of the contenders' medians."""
    yield "Quicker than this crate:"
    yield ""
    for function in FUNCTIONS:
        medians = {name: of[function]["median"] for name, of in figures["seconds"].items() if function in of}
        ours = medians.get("ours")
        if ours is None:
            continue
        labels = {contender.name: contender.label for contender in CONTENDERS}
        quicker = sorted((median, labels[name]) for name, median in medians.items() if median < ours)
        quicker = [f"{label}, {ours / median:.2f} times as fast" for median, label in quicker]
        yield f"- {TITLES[function]}: {'; '.join(quicker) or 'none'}."
