"""Views of token totals: tables for reading, and as records for a file. ``docs/tokens.md`` documents their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from phrasing.analysis.usage import RANGES
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


def span(least: float, most: float, digits: int = 1) -> str:
    """Write a count: both ends of a range, or the one number."""
    return "–".join(dict.fromkeys((number(least, digits), number(most, digits))))


UNLIKE = "No ratio where tools count as a range and the baseline's aren't the same."
"""What is said where variants can't be compared with their baseline."""


# ---------------------------------------------------------------------------------------------- by segment


def by_segment(tally: TokenTotals, label: Label, axes: Axes) -> View:
    """Show what each segment costs on average, then the whole prompt beside its baseline's."""
    shown = [name for name in SEGMENTS if any(sums.segments[name] for sums in tally.columns.values())]
    tables = []
    records: list[Record] = []
    for tokenizer in tally.tokenizers():
        parts, wholes = [], []
        for variant, sums in of(tally, tokenizer):
            against = tally.ratio((variant, tokenizer))
            sizes = {"mean": sums.ends, **{name: sums.quantiles(share) for name, share in (("median", 0.5), ("p95", 0.95))}}
            parts.append((label(variant), *(number(sums.segments[name] / sums.n) for name in shown), span(*sums.ends)))
            cells = (*(span(*ends, 0) for ends in sizes.values()), number(sums.characters / sums.n, 0))
            wholes.append((label(variant), str(sums.n), *cells, ratio(against)))
            found: Record = {**axes(variant), "tokenizer": tokenizer, "cases": sums.n}
            found |= {name: sums.segments[name] for name in SEGMENTS}
            found |= {"total": sums.total, "spread": sums.spread, **{name: ends[0] for name, ends in sizes.items()}}
            found |= {"characters": sums.characters, **_ratio_columns(against)}
            records.append(found)
        tables.append(Table(("variant", *shown, "total"), parts, _title(tally, tokenizer)))
        tables.append(Table(("variant", "cases", "mean", "median", "p95", "characters", "ratio (95 %)"), wholes))
    notes = ["Means of a prompt; ratio: tokens over the baseline's on the same cases, framing included."]
    notes += [RANGES] if any(sums.spread for sums in tally.columns.values()) else []
    notes += [UNLIKE] if any(map(tally.unlike, tally.columns)) else []
    return View(tables, notes, records)


def _ratio_columns(found: TokenRatio | None) -> Record:
    low, high = (found.low, found.high) if found and not isnan(found.low) else (None, None)
    other = None if found is None or found.other is None else found.other
    return {"ratio": found.value if found else None, "ratio_other": other, "ratio_low": low, "ratio_high": high}


def _title(tally: TokenTotals, tokenizer: str) -> str:
    return tokenizer if len(tally.tokenizers()) > 1 else ""


def times(value: float, other: float | None = None) -> str:
    """Write a ratio, or its values at the two ends of a range."""
    ends = sorted((value, value if other is None else other))
    return "×" + "–".join(dict.fromkeys(f"{end:.3f}" for end in ends))


def ratio(found: TokenRatio | None) -> str:
    """Write a ratio with its interval."""
    if found is None:
        return "–"
    return times(found.value, found.other) + ("" if isnan(found.low) else f" ({found.low:.3f}–{found.high:.3f})")


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
    tables: list[Table] = []
    notes: list[str] = []
    chart: dict[str, list[tuple[float, float]]] = {}
    records: list[Record] = []
    for tokenizer in tally.tokenizers():
        rows = []
        for variant, sums in of(tally, tokenizer):
            line, title = sums.line, " ".join(filter(None, (label(variant), _title(tally, tokenizer))))
            spread = sums.spread / sums.n
            fit = (number(line.slope), span(line.start, line.start + spread)) if line else ("–", "–")
            rows.append((label(variant), *(_means(sums, band) for band in lengths), *fit))
            means = {events: sums.tokens_by_length[events] / n for events, n in sorted(sums.lengths.items())}
            chart |= _lines(title, sums, means)
            fitted: Record = {"slope": line.slope if line else None, "start": line.start if line else None}
            for events, mean in means.items():
                here: Record = {**axes(variant), "tokenizer": tokenizer, "events": events, "cases": sums.lengths[events]}
                records.append({**here, "mean": mean, "spread": sums.spreads[events] / sums.lengths[events], **fitted})
            notes += _crossing(tally, label, variant, tokenizer)
        tables.append(Table(("variant", *headers, "an event", "start"), rows, _title(tally, tokenizer)))
    about = (
        "Mean tokens of a prompt by events in its thread; a straight line by least squares: tokens an event, and where it starts."
    )
    ranges = [RANGES] if any(sums.spread for sums in tally.columns.values()) else []
    return View(tables, [about, *ranges, *notes], records, chart)


def _means(sums: Sums, band: tuple[int, int]) -> str:
    inside = [events for events in sums.lengths if band[0] <= events <= band[1]]
    n = sum(sums.lengths[events] for events in inside)
    if not n:
        return number(None)
    least, spread = (sum(by[events] for events in inside) / n for by in (sums.tokens_by_length, sums.spreads))
    return span(least, least + spread, 0)


def _lines(title: str, sums: Sums, means: Mapping[int, float]) -> dict[str, list[tuple[float, float]]]:
    """Give what is drawn of a variant: a line, or one for either end of ranges."""
    least = [(float(events), mean) for events, mean in means.items()]
    if not sums.spread:
        return {title: least}
    most = [(events, mean + sums.spreads[int(events)] / sums.lengths[int(events)]) for events, mean in least]
    return {f"{title} at least": least, f"{title} at most": most}


def _crossing(tally: TokenTotals, label: Label, variant: str, tokenizer: str) -> list[str]:
    """Say where a variant's line crosses its baseline's, within the lengths that both have, unless they all but coincide."""
    other = tally.baselines.get(variant, "")
    mine, theirs = tally.columns[variant, tokenizer], tally.columns.get((other, tokenizer))
    line, base = mine.line, theirs and theirs.line
    if tally.unlike((variant, tokenizer)) or not (theirs and line and base) or (place := line.crosses(base)) is None:
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
