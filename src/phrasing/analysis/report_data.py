"""What a report shows, and its figures and sentences as text. The same results give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import isnan
from typing import Any

from phrasing.analysis import terms as wording
from phrasing.analysis.compare import Comparison
from phrasing.analysis.gates import Verdict
from phrasing.analysis.terms import AGREEMENT, Wording
from phrasing.analysis.usage import Bill
from phrasing.records import RunRecord
from phrasing.report import text as findings
from phrasing.score import no_model as floors
from phrasing.score.no_model import Floors
from phrasing.suite.schema import LOCAL
from phrasing.types import AXES, NO_EDIT, read_axes

Row = Mapping[str, Any]

TRUNCATED = 0.02
"""From this share of truncated answers on, a variant's figures say something about the token limit: the answer sentence tells."""

SHARES = (
    ("truncated", TRUNCATED, "of the answers were cut at the token limit"),
    ("text_calls", 0, "of the tool calls were written as text"),
    ("text_steps", 0, "of the answers were text instead of a call"),
)
"""Columns of the summary that are said where they lie above a share, and how."""

PREFIX = "DetermineNextStep"

_UNEDITED = ("edit", NO_EDIT)


@dataclass(frozen=True)
class Report:
    """All that a report shows, from a run folder alone.

    ``variants`` are the rows of the summary; ``chosen``, ``forms`` and ``stages`` count steps, answer forms and failures per
    variant, and ``confused`` which intents were expected where others were chosen; ``comparison`` is with the baselines;
    ``asked`` is the first and the last time (UTC) at which something was asked, if anything was; ``scorers`` maps the suite's own
    scorers to how often each failed; ``harm`` has, per tag and variant, how many of how many cases saw a harmful step; ``bills``
    hold our count of tokens beside the provider's. ``agreement``: all labels are observed, so figures of labels are agreement
    with a logged agent. Where a run has observed labels and others, figures are of the others, and ``logged`` has those of the
    observed cases.
    """

    record: RunRecord
    variants: Sequence[Row]
    chosen: Mapping[str, Mapping[str, int]]
    forms: Mapping[str, Mapping[str, int]]
    stages: Mapping[str, Mapping[str, int]]
    confused: Mapping[str, Sequence[tuple[str, str, int]]]
    comparison: Comparison
    verdicts: Sequence[Verdict]
    asked: tuple[str, str] | None
    scorers: Mapping[str, int] = field(default_factory=dict)
    harm: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    bills: Sequence[Bill] = ()
    agreement: bool = False
    logged: Report | None = None

    @property
    def parts(self) -> tuple[Report, ...]:
        """This report and, if there is one, that of the observed cases."""
        return (self, self.logged) if self.logged else (self,)

    @property
    def _named(self) -> list[str]:
        return list(dict.fromkeys(row["variant"] for part in self.parts for row in part.variants))

    def label(self, variant: str) -> str:
        """Name a variant as ``labels`` does."""
        return labels(self._named)[variant]

    @property
    def common(self) -> str:
        """The axes on which all variants agree."""
        return common(self._named)

    @cached_property
    def floors(self) -> Mapping[tuple[str, str], Floors]:
        """What rules that ask no model pick in these cases, by dataset and function."""
        mine = {
            dataset: {case for case, note in listed.items() if (note.strength == "logged") == self.agreement}
            for dataset, listed in self.record.cases.items()
        }
        return floors.of_run(self.record.only(mine))

    @property
    def words(self) -> Wording:
        """What figures of labels are called."""
        return wording.of(self.agreement)

    @property
    def headers(self) -> tuple[str, ...]:
        """The columns of ``cells``."""
        return ("n", *self.words.headers, "strict %", "harm", "context tokens", "answer tokens", "errors", "s")

    @property
    def short_headers(self) -> tuple[str, ...]:
        """The same for 80 columns."""
        return ("n", *self.words.short, "strict", "harm", "context", "answer", "err", "s")

    @property
    def description(self) -> str:
        """The suite's question."""
        return " ".join(str(self.record.resolved["description"]).split())


def labels(variants: Sequence[str]) -> dict[str, str]:
    """Name variants, with a model or without, by the axes on which they differ, without what all functions' names begin with."""
    parts = {variant: read_axes(variant) for variant in variants}
    both = [axis for axis in AXES if all(axis in part for part in parts.values())]
    varying = [axis for axis in both if len({part[axis] for part in parts.values()}) > 1] or ["format"]
    return {variant: " ".join(_shown(axis, part[axis]) for axis in varying) for variant, part in parts.items()}


def _shown(axis: str, value: str) -> str:
    return "no edit" if (axis, value) == _UNEDITED else value.removeprefix(PREFIX) or value


def common(variants: Sequence[str]) -> str:
    """Write the axes on which all variants agree; that nothing is edited goes without saying."""
    parts = [read_axes(variant) for variant in variants]
    shared = {axis: {part[axis] for part in parts} for axis in (parts[0] if parts else ())}
    agreed = [(axis, *values) for axis, values in shared.items() if len(values) == 1]
    return ", ".join(" ".join(pair) for pair in agreed if pair != _UNEDITED)


def cells(row: Row) -> tuple[str, ...]:
    """Write a variant's figures as the columns of ``Report.headers``."""
    interval = "" if isnan(row["intent_low"]) else f" ({percent(row['intent_low'])}–{percent(row['intent_high'])})"
    ratio = row["prompt_ratio"]
    return (
        str(row["n"]),
        percent(row["intent"]) + interval,
        percent(row["step"]),
        percent(row["strict"]),
        f"{row['harm_k']}/{row['harm_n']}" if row["harm_n"] else "–",
        number(row["prompt_tokens"]) + ("" if isnan(ratio) else f" ×{ratio:.2f}"),
        number(row["answer_tokens"]),
        str(row["errors"]),
        number(row["seconds"], 1),
    )


def counted(counts: Mapping[str, int]) -> str:
    """Write counts in one line, the most frequent first."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def percent(value: float) -> str:
    """Write a share as a whole number of percent."""
    return "–" if isnan(value) else f"{100 * value:.0f}"


def number(value: float, digits: int = 0) -> str:
    """Write a number, or a dash where there is none."""
    return "–" if isnan(value) else f"{value:,.{digits}f}"


def without_model(report: Report) -> list[str]:
    """Say how often rules that ask no model pick an acceptable step: a line a dataset, or a function where they differ."""
    shown = {
        pair: f"random {percent(found.random)} %, majority {percent(found.majority)} %, bigram {percent(found.bigram)} %"
        for pair, found in report.floors.items()
    }
    lines: dict[str, None] = {}
    for (dataset, function), text in shown.items():
        differ = len({other for (name, _), other in shown.items() if name == dataset}) > 1
        short = f" {function.removeprefix(PREFIX) or function}" if differ else ""
        lines[f"{dataset}{short} {report.words.without}: {text}"] = None
    return list(lines)


def answer(report: Report) -> str:
    """Say what was found, and in a last paragraph what must be known before it is used."""
    return "\n\n".join([*gist(report), " ".join(caveats(report))])


def gist(report: Report) -> list[str]:
    """Say what was found: a paragraph a baseline, with verdicts that hold up."""
    said = []
    for part in report.parts:
        rows = {row["variant"]: row for row in part.variants}
        compared = findings.sentences(part.comparison, rows, report.label)
        said += compared or [" ".join(f"{report.label(name)}: {part.words.share}{_share(row)}." for name, row in rows.items())]
        said += [f"{line}." for line in findings.reversals(part.comparison, report.label)]
    return said


def _share(row: Row) -> str:
    if not row["n"]:
        return "– (nothing answered)"
    return f"{percent(row['step'])} % ({percent(row['step_low'])}–{percent(row['step_high'])}) of {row['n']} cases"


def _labels(report: Report) -> list[str]:
    """Say which labels aren't somebody's judgement."""
    count = report.record.strengths
    total, observed, rules = count.total(), count["logged"], count["heuristic"]
    said = [AGREEMENT.note] if report.agreement else []
    if report.logged:
        said.append(
            f"{observed} of {total} labels are observed, what a logged agent did: agreement with it isn't accuracy, so these are "
            "reported apart."
        )
    return said + ([f"{rules} of {total} labels are heuristic: a rule made them."] if rules else [])


def caveats(report: Report) -> list[str]:
    """List what a reader must know before using the figures."""
    said = _labels(report)
    for part in report.parts:
        said.append(part.words.chance.format(findings.percents(found.random for found in part.floors.values())))
        said += [f"{line}." for line in findings.floors(part.variants, report.label, agreement=part.agreement)]
    rows = [row for part in report.parts for row in part.variants]
    errors = sum(row["errors"] for row in rows)
    spared = report.record.spared or 0
    missing = report.record.trials - sum(row["trials"] for row in rows) - spared
    if errors == 1:
        said.append("1 trial has no answer because of an error and is in no figure.")
    elif errors:
        said.append(f"{errors} trials have no answer because of errors and are in no figure.")
    if missing > 0:
        said.append(f"{missing} of {report.record.trials} trials weren't asked.")
    if report.record.spared is not None:
        said.append(
            f"{spared} of {report.record.trials} calls were spared, because what they could tell was settled; "
            "the verdicts hold however often one looks."
        )
    for (column, least, words), part in product(SHARES, report.parts):
        rows = [row for row in part.variants if row[column] > least]
        if rows:
            names = findings.together([report.label(row["variant"]) for row in rows], len(part.variants))
            where = " in observed cases" if part is report.logged else ""
            said.append(f"{names}: {findings.percents(row[column] for row in rows)} % {words}{where}.")
    for name, failed in report.scorers.items():
        if failed:
            said.append(f"The scorer {name} failed on {failed} answer{'s' * (failed > 1)}, which its mean leaves out.")
    if report.record.part:
        said.append(f"Only a part of the suite was asked ({report.record.part}).")
    for name, edit in report.record.edits.items():
        said += [f"{name} is lossy: {edit['lossy']}."] if edit["lossy"] else []
        said += [f"{name} adds {edit['adds']}."] if edit["adds"] else []
    small = [label for label, model in sorted(report.record.models.items()) if str(model["id"]).startswith(LOCAL)]
    if small:
        said.append(f"{' and '.join(small)}: a small model inside this environment; its figures are a smoke test.")
    return said


def gates(verdicts: Sequence[Verdict], label: Callable[[str], str]) -> list[str]:
    """Write gates as a Markdown table."""
    rows = [(v.status, v.name, label(v.variant), v.figures or "–", v.note) for v in verdicts]
    return table(("verdict", "gate", "variant", "measured", "note"), rows)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table: the first column to the left, the others to the right."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return ["| " + " | ".join(map(escape, line)) + " |" for line in lines]


def own_scores(report: Report, label: Callable[[str], str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Make the table of the means that the suite's own scorers gave: its headers and a row a variant, in percent."""
    rows = [(label(row["variant"]), *(percent(row[name]) for name in report.scorers)) for row in report.variants]
    return ("variant", *(f"{name} %" for name in report.scorers)), rows


def escape(text: str) -> str:
    """Keep a text from being read as Markdown: names and messages come from files and providers."""
    return re.sub(r"[\\`*<\[|]", r"\\\g<0>", text)
