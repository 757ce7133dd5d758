"""Views of token totals: tables for reading, and as records for a file. ``docs/tokens.md`` documents their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isnan

from phrasing.costs.token_totals import EventTokens, Sums, TokenRatio, TokenTotals
from phrasing.stats import bands
from phrasing.tokenizers.tokenizer import KINDS

SEGMENTS = (*KINDS, "framing")

Record = dict[str, str | int | float | None]
Label = Callable[[str], str]
"""How a table names a variant."""
Axes = Callable[[str], dict[str, str]]
"""What a file says of a variant: its columns."""


@dataclass(frozen=True)
class Table:
    """A table for reading: headers, rows of text, and a title where there are several of a kind.

    The first ``names`` columns name a row. A terminal that is too narrow gets several tables, each with these.
    """

    headers: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    title: str = ""
    names: int = 1


@dataclass(frozen=True)
class View:
    """What a view shows: tables, sentences below them, and the records that a file gets. ``chart`` is a line a series: points
    (x, y), by name. ``about`` is what all of it has in common.
    """

    tables: list[Table]
    notes: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    chart: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    about: str = ""


def of(tally: TokenTotals, tokenizer: str) -> list[tuple[str, Sums]]:
    """List the variants that a tokenizer counted, with their sums."""
    return [(variant, sums) for (variant, name), sums in tally.columns.items() if name == tokenizer]


def number(value: float | None, digits: int = 1) -> str:
    """Write a number for reading."""
    return "–" if value is None or isnan(value) else f"{value:,.{digits}f}"


# ---------------------------------------------------------------------------------------------- by segment


def by_segment(tally: TokenTotals, label: Label, axes: Axes) -> View:
    """Show what each segment costs on average, then the whole prompt beside its baseline's."""
    shown = [name for name in SEGMENTS if any(sums.segments[name] for sums in tally.columns.values())]
    tables = []
    records: list[Record] = []
    for tokenizer in tally.tokenizers():
        parts, wholes = [], []
        for variant, sums in of(tally, tokenizer):
            against, middle, high = tally.ratio((variant, tokenizer)), sums.quantile(0.5), sums.quantile(0.95)
            parts.append((label(variant), *(number(sums.segments[name] / sums.n) for name in shown), number(sums.mean)))
            sizes = (sums.mean, middle, high, sums.characters / sums.n)
            wholes.append((label(variant), str(sums.n), *(number(size, 0) for size in sizes), ratio(against)))
            found: Record = {**axes(variant), "tokenizer": tokenizer, "cases": sums.n}
            found |= {name: sums.segments[name] for name in SEGMENTS}
            found |= {"total": sums.total, "mean": sums.mean, "median": middle, "p95": high, "characters": sums.characters}
            ends = (against.low, against.high) if against and not isnan(against.low) else (None, None)
            found |= {"ratio": against.value if against else None, "ratio_low": ends[0], "ratio_high": ends[1]}
            records.append(found)
        tables.append(Table(("variant", *shown, "total"), parts, _title(tally, tokenizer)))
        tables.append(Table(("variant", "cases", "mean", "median", "p95", "characters", "ratio (95 %)"), wholes))
    return View(tables, ["Means of a prompt; ratio: tokens over the baseline's on the same cases, framing included."], records)


def _title(tally: TokenTotals, tokenizer: str) -> str:
    return tokenizer if len(tally.tokenizers()) > 1 else ""


def ratio(found: TokenRatio | None) -> str:
    """Write a ratio with its interval."""
    if found is None:
        return "–"
    return f"×{found.value:.3f}" + ("" if isnan(found.low) else f" ({found.low:.3f}–{found.high:.3f})")


# ---------------------------------------------------------------------------------------------- by event

AGAIN = 0.5
"""From this share of events without a text of their own on, a format writes its past anew."""


def by_event(tally: TokenTotals, label: Label, axes: Axes) -> View:
    """Show what each type of event costs in the thread: a row a type, a column a variant."""
    tables = []
    records: list[Record] = []
    anew: dict[str, None] = {}
    for tokenizer in tally.tokenizers():
        variants = of(tally, tokenizer)
        for variant, sums in variants:
            for kind, found in sums.events.items():
                here: Record = {**axes(variant), "tokenizer": tokenizer, "event": kind, "cases": sums.n, "events": found.n}
                share = found.tokens / max(1, sums.segments["thread"])
                records.append({**here, "empty": found.empty, "tokens": found.tokens, "share": share})
            every = sum(sums.events.values(), EventTokens())
            if every.n > sums.n and every.empty / (every.n - sums.n) >= AGAIN:  # the last event of a thread always has a text
                anew[label(variant)] = None
        tables.append(_events(variants, label, _title(tally, tokenizer)))
    notes = [
        "Tokens of one event, and its type's share of the thread. An event's part begins where the rendering of the events "
        "before it stops being a beginning of the whole."
    ]
    if anew:
        why = (
            "writes its past anew with each event, or can't show a beginning alone, so most events' text counts as a later one's"
        )
        notes.append(f"{', '.join(anew)}: {why}.")
    return View(tables, notes, records)


def _events(variants: Sequence[tuple[str, Sums]], label: Label, title: str) -> Table:
    """Write the types of events, the most frequent first."""
    numbers = {kind: found.n for _, sums in reversed(variants) for kind, found in sums.events.items()}
    rows = []
    for kind in sorted(numbers, key=lambda kind: (-numbers[kind], kind)):
        found = [(sums.events.get(kind), max(1, sums.segments["thread"])) for _, sums in variants]
        cells = (f"{e.tokens / e.n:.1f} {100 * e.tokens / thread:3.0f} %" if e else "–" for e, thread in found)
        rows.append((kind, str(numbers[kind]), *cells))
    return Table(("event", "events", *(label(variant) for variant, _ in variants)), rows, title, names=2)


# ---------------------------------------------------------------------------------------------- by length


def by_length(tally: TokenTotals, label: Label, axes: Axes) -> View:
    """Show tokens by number of events: how a format grows, and where it crosses its baseline."""
    lengths = bands.divide(sum((sums.lengths for sums in tally.columns.values()), Counter()))
    headers = list(map(bands.name, lengths))
    tables, notes, chart = [], [], {}
    records: list[Record] = []
    for tokenizer in tally.tokenizers():
        rows = []
        for variant, sums in of(tally, tokenizer):
            line, title = sums.line, " ".join(filter(None, (label(variant), _title(tally, tokenizer))))
            fit = (number(line.slope), number(line.start)) if line else ("–", "–")
            rows.append((label(variant), *(number(_mean(sums, band), 0) for band in lengths), *fit))
            means = {events: sums.tokens_by_length[events] / n for events, n in sorted(sums.lengths.items())}
            chart[title] = [(float(events), mean) for events, mean in means.items()]
            fitted: Record = {"slope": line.slope if line else None, "start": line.start if line else None}
            for events, mean in means.items():
                here: Record = {**axes(variant), "tokenizer": tokenizer, "events": events, "cases": sums.lengths[events]}
                records.append({**here, "mean": mean, **fitted})
            notes += _crossing(tally, label, variant, tokenizer)
        tables.append(Table(("variant", *headers, "an event", "start"), rows, _title(tally, tokenizer)))
    about = (
        "Mean tokens of a prompt by events in its thread; a straight line by least squares: tokens an event, and where it starts."
    )
    return View(tables, [about, *notes], records, chart)


def _mean(sums: Sums, band: tuple[int, int]) -> float | None:
    inside = [events for events in sums.lengths if band[0] <= events <= band[1]]
    n = sum(sums.lengths[events] for events in inside)
    return sum(sums.tokens_by_length[events] for events in inside) / n if n else None


def _crossing(tally: TokenTotals, label: Label, variant: str, tokenizer: str) -> list[str]:
    """Say where a variant's line crosses its baseline's, within the lengths that both have, unless they all but coincide."""
    other = tally.baselines.get(variant, "")
    mine, theirs = tally.columns[variant, tokenizer], tally.columns.get((other, tokenizer))
    line, base = mine.line, theirs and theirs.line
    if not (theirs and line and base) or (place := line.crosses(base)) is None:
        return []
    low, high = max(min(mine.lengths), min(theirs.lengths)), min(max(mine.lengths), max(theirs.lengths))
    early, late = (abs(line.at(events) - base.at(events)) for events in (low, high))
    if not low < place < high or min(early, late) < 1:
        return []
    cheap, dear = (variant, other) if line.slope < base.slope else (other, variant)
    by = f" ({tokenizer})" if _title(tally, tokenizer) else ""
    return [
        f"By these lines{by} {label(cheap)} costs {early:.0f} tokens more than {label(dear)} at {low} event{'s' * (low > 1)} and "
        f"{late:.0f} less at {high}; they cross at about {place:.0f}."
    ]


def markdown(view: View) -> str:
    """Write a view as Markdown."""
    parts = [view.about] if view.about and view.tables else []
    for table in view.tables:
        marks = ["---", *["---:"] * (len(table.headers) - 1)]
        parts += [f"**{table.title}**"] if table.title else []
        parts.append("\n".join("| " + " | ".join(row) + " |" for row in (table.headers, marks, *table.rows)))
    return "\n\n".join([*parts, *view.notes]) + "\n"
