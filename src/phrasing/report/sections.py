"""The sections of a report, in the order in which the terminal, Markdown and the page show them.

A section has tables, and names the charts that belong to it. Whoever shows it writes its columns in full or short, with links or
without; the terminal shows only the sections that are ``brief``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

from phrasing.analysis import usage
from phrasing.analysis.figures import QUANTILES, SPREAD, Figures, Harm, Kind, Level, Spread
from phrasing.analysis.report_data import Report, Row
from phrasing.analysis.usage import PER, RANGES, Bill, dollars
from phrasing.report import columns, model_parameters, text, usage_and_cost
from phrasing.report.charts.breakdowns import LEVELS
from phrasing.report.columns import DASH, Column, Filters, Table, variant
from phrasing.report.text import number, percent
from phrasing.suite.parameters import shown as shown_value
from phrasing.types import StepMatch, canonical_json

FORMS = ("exact", "wrapped", "repaired", "echo", "unparsable")
"""The forms of answers, from the best to the worst."""

FORBIDDEN = 200
"""How many trials that picked a forbidden step are listed; all are among the cases of the page, one click away."""

AGREEMENT = "Agreement with the logged agent"
"""The title of the part with the cases whose labels are logged, where a run has others too."""

Label = Callable[[str], str]

_KINDS: Mapping[Kind, str] = {"tag": "By tag", "events": "By the length of the thread", "turn": "By turn"}


@dataclass(frozen=True)
class Section:
    """A section: its title, its tables, and what the names of its charts begin with.

    ``details`` are lists that may be folded, each with its title. ``brief``: the terminal shows it too; ``lines`` are then what a
    table says in a line a row, by the row's name.
    """

    title: str
    charts: str = ""
    tables: Sequence[Table[Any]] = ()
    details: Sequence[tuple[str, Sequence[str]]] = ()
    brief: bool = False
    lines: Sequence[tuple[str, str]] = ()


def of(part: Report, label: Label, figures: Figures | None = None) -> Iterator[Section]:
    """Give the sections of a part of a report. Without ``figures`` the tables are left out whose figures charts show."""
    found = part.comparison
    what = "Success" if part.loops else "Agreement" if part.agreement else "Accuracy"
    yield Section(f"{what} against tokens", "accuracy-tokens", [columns.summary(part, label)], brief=True)
    yield Section(
        f"Differences from {found.against or 'the baseline'}",
        "differences",
        [columns.comparison(found, label)],
        _differences(part, label),
        brief=True,
    )
    if part.loops:
        yield Section("What happened on the way", "steps-", [columns.on_the_way(part, label), _ended(part, label)], brief=True)
    if part.conversations:
        yield Section(columns.WHOLE, tables=[columns.conversations(part, label)], brief=True)
    yield Section("Tokens by segment", "segments", _segments(figures, label, as_json=usage.as_json(part.record)))
    yield Section("Tokens by the length of the thread", "length")
    for kind, title in _KINDS.items():
        yield Section(title, LEVELS[kind][0], _levels(figures, kind, label))
    if not part.loops:
        lines = [(label(name), text.counted(chosen)) for name, chosen in part.chosen.items()]
        yield Section("Steps chosen", tables=[_chosen(part, label)], brief=True, lines=lines)
    if part.added:
        yield Section("Added tools", tables=[columns.added(part, label)], brief=True)
    yield Section("Confusion of steps", "confusion", [_confused(part, label)])
    yield Section("Forbidden steps", tables=[_forbidden_by_tag(part, label), *_forbidden(figures, label)])
    yield Section("Where answers failed", tables=[_stages(part, label)])
    yield Section("Repeats", tables=[_repeats(part, label)])
    yield Section("Latency", tables=[columns.latency(part.latency, label, found.settings.confidence)])
    yield Section("Usage and cost", tables=[*_usage(part, label), *_spread(figures, label)])
    if part.varied:
        yield Section("Parameters of models", tables=[model_parameters.table(part, label)], brief=True)
    if part.own_scores:
        whose = "environment" if part.loops else "suite"
        yield Section(f"Scores of the {whose}'s own", tables=[columns.own_scores(part, label)], brief=True)


def shown(sections: Iterator[Section], charts: Sequence[str] = ()) -> Iterator[Section]:
    """Leave out what has nothing to show: tables without rows, sections without a table or one of ``charts`` (by name)."""
    for section in sections:
        tables = [table for table in section.tables if table.rows]
        drawn = section.charts and any(name.startswith(section.charts) for name in charts)
        if tables or drawn:
            yield replace(section, tables=tables)


def _to(of: Callable[[Any], str], **filters: str) -> Callable[[Any], Filters]:
    return lambda row: {"variant": of(row), **filters}


def _differences(part: Report, label: Label) -> list[tuple[str, list[str]]]:
    found, notes = part.comparison, part.comparison.notes(part.record.cases)
    told = [(c, text.flips(c, notes, agreement=found.agreement)) for c in found.contrasts]
    return [(f"{label(c.variant)}: where they differ", lines) for c, lines in told if lines]


# ---------------------------------------------------------------------------------------------- steps

_Counted = tuple[str, Mapping[str, int]]
"""A variant and counts by name."""


def _variant_of(row: _Counted) -> str:
    return row[0]


def _count(name: str, title: str, **filters: str) -> Column[_Counted]:
    """Make a column of numbers of trials, which lead to them; none leads nowhere."""

    def link(row: _Counted) -> Filters:
        return {"variant": row[0], **filters} if row[1].get(name) else {}

    return Column(name, title, lambda row: str(row[1].get(name, 0)), title, link=link)


def _chosen(part: Report, label: Label) -> Table[_Counted]:
    steps = list(dict.fromkeys(step for counted in part.chosen.values() for step in sorted(counted)))
    named = [variant(label, _variant_of), *(_count(step, step, chosen=step) for step in steps)]
    return Table(named, list(part.chosen.items()), "Trials by the step that was chosen")


def _ended(part: Report, label: Label) -> Table[_Counted]:
    why = list(dict.fromkeys(name for counted in part.ended.values() for name in sorted(counted)))
    named = [variant(label, _variant_of), *(_count(name, name, ended=name) for name in why)]
    return Table(named, list(part.ended.items()), "Runs by why they ended")


def _confused(part: Report, label: Label) -> Table[Any]:
    rows = [(name, *one) for name, found in part.confused.items() for one in found[: text.FLIPS]]
    named: list[Column[tuple[str, str, str, int]]] = [
        variant(label, lambda row: row[0]),
        Column("expected", part.words.expected, lambda row: row[1]),
        Column("chosen", "chosen", lambda row: row[2]),
        Column(
            "trials",
            "trials",
            lambda row: str(row[3]),
            link=lambda row: {"variant": row[0], "expected": row[1], "chosen": row[2]},
        ),
    ]
    return Table(named, rows, f"{part.words.where.capitalize()}, most frequent first")


def _stages(part: Report, label: Label) -> Table[_Counted]:
    stages = list(dict.fromkeys(stage for found in part.stages.values() for stage in sorted(found)))
    rows = [(name, {**found, **{f"({s})": n for s, n in part.stages[name].items()}}) for name, found in part.forms.items()]
    named = [variant(label, _variant_of), *(_count(form, form, form=form) for form in FORMS)]
    named += [_count(f"({stage})", f"failed: {stage}", chosen=f"({stage})") for stage in stages]
    return Table(named, rows, "Forms of answers, and the stages of failure")


def _repeats(part: Report, label: Label) -> Table[Row]:
    def column(key: str, title: str) -> Column[Row]:
        return Column(
            key, title, lambda row: number(100 * row[key], 1), link=lambda row: {"one": row["variant"], "other": row["variant"]}
        )

    named = [
        variant(label, lambda row: str(row["variant"])),
        column("disagreement", "another step, % of pairs of repeats"),
        column("all_right", f"{part.words.repeats}, % of cases"),
    ]
    return Table(named, [row for row in part.variants if not isnan(row["disagreement"])], "Repeats of a case")


# ---------------------------------------------------------------------------------------------- forbidden steps


def _forbidden_by_tag(part: Report, label: Label) -> Table[Any]:
    """Make the table of forbidden steps by tag: in how many of the cases that forbid one it was picked."""

    def column(name: str) -> Column[tuple[str, Mapping[str, tuple[int, int]]]]:
        def cell(row: tuple[str, Mapping[str, tuple[int, int]]]) -> str:
            return "{}/{}".format(*row[1][name]) if name in row[1] else DASH

        filters = {"variant": name, "verdict": "forbidden"}
        return Column(name, label(name), cell, link=lambda row: {**filters, "tag": row[0]})

    variants = [row["variant"] for row in part.variants if any(row["variant"] in cells for cells in part.harm.values())]
    named = [Column[Any]("tag", "tag", lambda row: row[0]), *map(column, variants)]
    caption = "Cases in which a forbidden step was picked, of those that forbid one, by tag"
    told = "Where no forbidden step was picked, only tags that begin with attack- are shown."
    return Table(named, list(part.harm.items()), caption, [told])


def _forbidden(figures: Figures | None, label: Label) -> list[Table[Harm]]:
    found = figures.harm if figures else ()
    named: list[Column[Harm]] = [
        Column("case", "case", lambda one: one.case, link=lambda one: {"open": one.trial}),
        Column("dataset", "dataset", lambda one: one.dataset),
        variant(label, lambda one: one.variant),
        Column("picked", "picked", lambda one: one.chosen),
        Column("forbidden", "forbidden", lambda one: "; ".join(map(step, one.forbidden))),
    ]
    more = [f"The first {FORBIDDEN} of {len(found):,}; the cases below list all."] if len(found) > FORBIDDEN else []
    return [Table(named, found[:FORBIDDEN], "Trials that picked a forbidden step", told=more)]


def step(match: StepMatch) -> str:
    """Write a step with its arguments."""
    args = [f"{name}={canonical_json(value)}" for name, value in match.args.items()]
    return f"{match.intent}({', '.join([*args, *(['nothing else'] if match.only else [])])})"


# ---------------------------------------------------------------------------------------------- tokens, kinds of cases, time


def _segments(figures: Figures | None, label: Label, *, as_json: bool) -> list[Table[Any]]:
    if figures is None:
        return []
    found = figures.segments

    def column(name: str) -> Column[tuple[str, Mapping[str, float]]]:
        return Column(name, name, lambda row: number(row[1].get(name, 0.0), 1), link=_to(lambda row: row[0]))

    named = [
        variant(label, lambda row: row[0]),
        *map(column, dict.fromkeys(name for segments in found.values() for name in segments if name != SPREAD)),
        Column("total", "total", lambda row: _total(row[1]), link=_to(lambda row: row[0])),
    ]
    legend = [RANGES] if any(SPREAD in segments for segments in found.values()) else []
    legend += [usage_and_cost.AS_JSON] if as_json else []
    return [Table(named, list(found.items()), "Mean tokens of a prompt, by our own count", legend)]


def _total(segments: Mapping[str, float]) -> str:
    most = sum(segments.values())
    return "–".join(dict.fromkeys((number(most - segments.get(SPREAD, 0.0), 1), number(most, 1))))


def _levels(figures: Figures | None, kind: Kind, label: Label) -> list[Table[Any]]:
    if figures is None:
        return []
    levels = figures.levels.get(kind, ())
    cells = {(level.name, level.variant): level for level in levels}

    def column(name: str) -> Column[str]:
        filters = {"variant": name}
        return Column(name, label(name), lambda row: _share(cells.get((row, name))), link=lambda row: {**filters, kind: row})

    variants = dict.fromkeys(level.variant for level in levels)
    named = [Column[str](kind, kind, lambda row: row), *map(column, variants)]
    return [Table(named, list(dict.fromkeys(level.name for level in levels)), "Percent of cases (95 %), n")]


def _share(level: Level | None) -> str:
    if level is None:
        return DASH
    ends = "" if isnan(level.score.low) else f" ({percent(level.score.low)}–{percent(level.score.high)})"
    return f"{percent(level.score.value)}{ends}, {level.n}"


def _usage(part: Report, label: Label) -> list[Table[Bill]]:
    if not part.bills:
        return []
    tokenizer = str(part.record.resolved["tokenizer"])
    return usage_and_cost.tables(part.bills, label, tokenizer, part.words, as_json=usage.as_json(part.record))


def _spread(figures: Figures | None, label: Label) -> list[Table[Spread]]:
    if figures is None:
        return []

    def column(key: str, title: str, cell: Callable[[Spread], str]) -> Column[Spread]:
        return Column(key, title, cell, link=_to(lambda one: one.variant))

    def group(key: str, title: str, cell: Callable[[Spread, int], str]) -> list[Column[Spread]]:
        return [
            column(f"{key}_{100 * q:g}", f"{title} {100 * q:g} %", lambda one, place=place: cell(one, place))  # type: ignore[misc]
            for place, q in enumerate(QUANTILES)
        ]

    named = [
        variant(label, lambda one: one.variant),
        *group("answer_tokens", "answer tokens", lambda one, place: number(one.answer_tokens[place])),
        *group("cost", f"$ per {PER:,}", lambda one, place: dollars(one.cost[place])),
    ]
    return [Table(named, figures.spreads, "Quantiles over answers")]


# ---------------------------------------------------------------------------------------------- what was run


def facts(report: Report) -> list[str]:
    """List what a run was made of."""
    record, asked = report.record, report.asked
    said = [f"asked between {asked[0]} and {asked[1]}"] if asked else []
    for label, model in sorted(record.models.items()):
        sha = f", sha256 {model['digest']}" if model.get("digest") else ""
        differing = "".join(f", {name} {shown_value(value)}" for name, value in report.varied.get(label, {}).items())
        said.append(f"model {label}: {model['id']}{differing}{sha}")
    for name, sha256 in sorted(record.datasets.items()):
        aside = f" ({record.set_aside[name]} more are examples, or of their groups)" if name in record.set_aside else ""
        said.append(f"dataset {name}: {len(record.cases.get(name, ()))} cases{aside}, sha256 {sha256[:16]}")
    said += _digests("format", record.formats) + _digests("edit", record.edits)
    files = {**record.baml, **record.prompts, **record.notations, **record.scorers}
    said += [f"{name}: sha256 {sha256[:16]}" for name, sha256 in sorted(files.items())]
    said += [f"{name} {version}" for name, version in sorted(record.versions.items())]
    said += [f"skipped: {skipped}" for skipped in record.skipped]
    said += [f"warning: {warning}" for warning in (*record.warnings, *report.damaged)]
    return said + [f"{label} stopped: {why}" for label, why in sorted(record.stopped.items())]


def _digests(kind: str, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [f"{kind} {name}: sha256 {str(file['digest'])[:16]}" for name, file in sorted(files.items())]
