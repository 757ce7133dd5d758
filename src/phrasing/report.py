"""Tables to text: what a person reads, on a terminal and in Markdown. The same results give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

from phrasing import bill, findings, floors
from phrasing.bill import Bill
from phrasing.compare import Comparison
from phrasing.gates import Verdict
from phrasing.records import RunRecord
from phrasing.suite import AXES, LOCAL
from phrasing.types import NO_EDIT

if TYPE_CHECKING:
    from phrasing.aggregate import Notes

Row = Mapping[str, Any]

TRUNCATED = 0.02
"""From this share of truncated answers on, an arm's figures say something about the token limit: the answer sentence tells."""

SHARES = (
    ("truncated", TRUNCATED, "of the answers were cut at the token limit"),
    ("text_calls", 0, "of the tool calls were written as text"),
    ("text_steps", 0, "of the answers were text instead of a call"),
)
"""Columns of the summary that are said where they lie above a share, and how."""

PREFIX = "DetermineNextStep"

_UNEDITED = ("edit", NO_EDIT)

HEADERS = ("n", "intent % (95 %)", "step %", "strict %", "harm", "context tokens", "answer tokens", "errors", "s")
SHORT_HEADERS = ("n", "intent % (95 %)", "step", "strict", "harm", "context", "answer", "err", "s")
"""The same for 80 columns."""


@dataclass(frozen=True)
class Report:
    """All that a report shows, from a run folder alone.

    ``arms`` are the rows of the summary; ``chosen``, ``forms`` and ``stages`` count steps, answer forms and failures per arm, and
    ``confused`` which intents were expected where others were chosen; ``comparison`` is with the baselines; ``asked`` is the
    first and the last time (UTC) at which something was asked, if anything was; ``scorers`` maps the suite's own scorers to how
    often each failed; ``harm`` has, per tag and arm, how many of how many cases saw a harmful step; ``bills`` hold our count of
    tokens beside the provider's.
    """

    record: RunRecord
    arms: Sequence[Row]
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

    def label(self, arm: str) -> str:
        """Name an arm as ``labels`` does."""
        return labels([row["arm"] for row in self.arms])[arm]

    @property
    def common(self) -> str:
        """The axes on which all arms agree."""
        return common([row["arm"] for row in self.arms])

    @property
    def description(self) -> str:
        """The suite's question."""
        return " ".join(str(self.record.resolved["description"]).split())


def labels(arms: Sequence[str]) -> dict[str, str]:
    """Name arms, with a model or without, by the axes on which they differ; what all functions' names begin with is left out."""
    parts = {arm: arm.split(",") for arm in arms}
    varying = [i for i in range(min(map(len, parts.values()), default=0)) if len({part[i] for part in parts.values()}) > 1] or [
        AXES.index("format")
    ]
    return {arm: " ".join(_shown(AXES[i], part[i]) for i in varying) for arm, part in parts.items()}


def _shown(axis: str, value: str) -> str:
    return "no edit" if (axis, value) == _UNEDITED else value.removeprefix(PREFIX) or value


def common(arms: Sequence[str]) -> str:
    """Write the axes on which all arms agree; that nothing is edited goes without saying."""
    shared = zip(AXES, map(set, zip(*(arm.split(",") for arm in arms), strict=True)), strict=False)
    agreed = [(axis, *values) for axis, values in shared if len(values) == 1]
    return ", ".join(" ".join(pair) for pair in agreed if pair != _UNEDITED)


def cells(row: Row) -> tuple[str, ...]:
    """Write an arm's figures as the columns of ``HEADERS``."""
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


def without_model(record: RunRecord) -> list[str]:
    """Say how often rules that ask no model pick an acceptable step: a line a dataset, or a function where they differ."""
    shown = {
        pair: f"random {percent(found.random)} %, majority {percent(found.majority)} %, bigram {percent(found.bigram)} %"
        for pair, found in floors.of_run(record).items()
    }
    lines: dict[str, None] = {}
    for (dataset, function), text in shown.items():
        differ = len({other for (name, _), other in shown.items() if name == dataset}) > 1
        short = f" {function.removeprefix(PREFIX) or function}" if differ else ""
        lines[f"{dataset}{short} without a model: {text}"] = None
    return list(lines)


def answer(report: Report) -> str:
    """Say what was found: a paragraph a baseline, with verdicts that hold up, and one of caveats."""
    rows = {row["arm"]: row for row in report.arms}
    said = findings.sentences(report.comparison, rows, report.label)
    if not said:
        said = [" ".join(f"{report.label(row['arm'])}: {_share(row)}." for row in report.arms)]
    said += [f"{line}." for line in findings.reversals(report.comparison, report.label)]
    return "\n\n".join([*said, " ".join(caveats(report))])


def _share(row: Row) -> str:
    if not row["n"]:
        return "– (nothing answered)"
    return f"{percent(row['step'])} % ({percent(row['step_low'])}–{percent(row['step_high'])}) of {row['n']} cases"


def caveats(report: Report) -> list[str]:
    """List what a reader must know before using the figures."""
    said = []
    chance = findings.percents(found.random for found in floors.of_run(report.record).values())
    said.append(f"A random step is right in {chance} %.")
    said += [f"{line}." for line in findings.floors(report.arms, report.label)]
    errors = sum(row["errors"] for row in report.arms)
    spared = report.record.spared or 0
    missing = report.record.trials - sum(row["trials"] for row in report.arms) - spared
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
    for column, least, words in SHARES:
        rows = [row for row in report.arms if row[column] > least]
        if rows:
            names = findings.together([report.label(row["arm"]) for row in rows], len(report.arms))
            said.append(f"{names}: {findings.percents(row[column] for row in rows)} % {words}.")
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


def markdown(report: Report) -> str:
    """Write the report as Markdown."""
    record = report.record
    lines = [f"# {record.suite}: {escape(report.description)}", "", escape(answer(report)), ""]
    lines += [f"All arms: {escape(report.common)}.", ""] if report.common else []
    lines += table(("arm", *HEADERS), [(report.label(row["arm"]), *cells(row)) for row in report.arms])
    lines += ["", *(f"- {escape(line)}" for line in without_model(record))]
    lines += ["", *map(escape, legend(report)), "", *comparison(report.comparison, report.label, record.cases)]
    if any(not isnan(row["disagreement"]) for row in report.arms):
        lines += ["## Repeats", "", *_repeats(report), ""]
    lines += ["## Steps chosen", ""]
    steps = list(dict.fromkeys(step for counted in report.chosen.values() for step in sorted(counted)))
    rows = [(report.label(arm), *(str(counted.get(step, 0)) for step in steps)) for arm, counted in report.chosen.items()]
    lines += [*table(("arm", *steps), rows), ""]
    lines += ["Expected → chosen, where the step was wrong:", ""]
    lines += [f"- {escape(report.label(arm))}: {escape(findings.confusions(c)) or 'none'}" for arm, c in report.confused.items()]
    lines += ["", "## Answers", ""]
    forms = ("exact", "wrapped", "repaired", "echo", "unparsable")
    rows = [
        (
            report.label(arm),
            *(str(report.forms[arm].get(form, 0)) for form in forms),
            counted(report.stages[arm]),
        )
        for arm in report.forms
    ]
    lines += table(("arm", *forms, "failed at"), rows)
    billed = bill.section(report.bills, report.label, str(record.resolved["tokenizer"])) if report.bills else []
    lines += ["", "## Tokens and the bill"] if billed else []
    for headers, priced, told in billed:
        lines += ["", *table(headers, priced), "", escape("\n\n".join(told))]
    if report.harm:
        lines += ["", "## Harm by tag", "", *_harm(report)]
    if report.scorers:
        lines += ["", "## Scores of the suite's own", "", *table(*own_scores(report))]
    if report.verdicts:
        lines += ["", "## Gates", "", *gates(report.verdicts, report.label)]
    lines += ["", "## What was run", "", *map(escape, _run(record, report.asked))]
    return "\n".join(lines) + "\n"


def comparison(found: Comparison, label: Callable[[str], str], notes: Notes) -> list[str]:
    """Write a comparison as Markdown: its table, and where the arms differ."""
    if not found.contrasts:
        return []
    against = found.against or "the baseline"
    headers = findings.headers(found)
    rows = [(label(c.arm), *findings.cells(c, found)) for c in found.contrasts]
    lines = [f"## Against {escape(against)}", "", *table(("arm", *headers), rows), ""]
    counted = f"{len(rows)} comparison{'s' * (len(rows) > 1)}"
    lines += [
        f"Paired by case, score {found.settings.score}: what the arm has more than {escape(against)}, and its interval; p: of no",
        f"difference, corrected (Holm) for {counted}; left: cases without an answer in one of the two; would show:",
        "the smallest difference in points that so many cases show with a chance of 80 %; ×: totals over the baseline's on the",
        "same cases. docs/statistics.md says what each verdict means.",
        "",
    ]
    for contrast in found.contrasts:
        where = findings.flips(contrast, notes)
        if where:
            lines += ["<details>", f"<summary>{escape(label(contrast.arm))}: where they differ</summary>", ""]
            lines += [*(f"- {escape(line)}" for line in where), "", "</details>", ""]
    return lines


def gates(verdicts: Sequence[Verdict], label: Callable[[str], str]) -> list[str]:
    """Write gates as a Markdown table."""
    rows = [(v.status, v.name, label(v.arm), v.figures, v.note) for v in verdicts]
    return table(("verdict", "gate", "arm", "measured", "note"), rows)


def _repeats(report: Report) -> list[str]:
    rows = [(report.label(r["arm"]), number(100 * r["disagreement"], 1), number(100 * r["all_right"], 1)) for r in report.arms]
    return table(("arm", "another step, % of pairs of repeats", "all repeats right, % of cases"), rows)


def _harm(report: Report) -> list[str]:
    arms = [row["arm"] for row in report.arms if any(row["arm"] in cells for cells in report.harm.values())]
    rows = [
        (tag, *("–" if arm not in cells else f"{cells[arm][0]}/{cells[arm][1]}" for arm in arms))
        for tag, cells in report.harm.items()
    ]
    told = "Cases that saw a harmful step, of those that forbid one. Without harm, only tags that begin with attack- are shown."
    return [told, "", *table(("tag", *map(report.label, arms)), rows)]


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table: the first column to the left, the others to the right."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return ["| " + " | ".join(map(escape, line)) + " |" for line in lines]


def own_scores(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Make the table of the means that the suite's own scorers gave: its headers and a row an arm, in percent."""
    rows = [(report.label(row["arm"]), *(percent(row[name]) for name in report.scorers)) for row in report.arms]
    return ("arm", *(f"{name} %" for name in report.scorers)), rows


def escape(text: str) -> str:
    """Keep a text from being read as Markdown: names and messages come from files and providers."""
    return re.sub(r"[\\`*<\[|]", r"\\\g<0>", text)


def legend(report: Report) -> list[str]:
    """Explain the columns, and the marks of formats."""
    lines = [
        "intent: an acceptable step was picked (interval over cases by group, repeats averaged first); step: arguments too;",
        "strict: no repair was needed; harm: cases with a harmful step; context tokens: the prompt as the provider counts it,",
        "× the baseline's on the same cases; without a model: intent of a random step, of the step acceptable most often in",
        "these cases, of the one expected most often after the last event's type in other groups' cases.",
    ]
    for name, format in report.record.formats.items():
        for mark in ("spoofable", "lossy"):
            if format.get(mark):
                lines.append(f"{name} is {mark}: {format[mark]}.")
    return lines


def _run(record: RunRecord, asked: tuple[str, str] | None) -> list[str]:
    lines = [f"- asked between {asked[0]} and {asked[1]}"] if asked else []
    for label, model in sorted(record.models.items()):
        sha = f", sha256 {model['digest']}" if model.get("digest") else ""
        lines.append(f"- model {label}: {model['id']}{sha}")
    for name, sha256 in sorted(record.datasets.items()):
        aside = f" ({record.set_aside[name]} more are examples, or of their groups)" if name in record.set_aside else ""
        lines.append(f"- dataset {name}: {len(record.cases.get(name, ()))} cases{aside}, sha256 {sha256[:16]}")
    for name, format in sorted(record.formats.items()):
        lines.append(f"- format {name}: sha256 {str(format['digest'])[:16]}")
    for name, edit in sorted(record.edits.items()):
        lines.append(f"- edit {name}: sha256 {str(edit['digest'])[:16]}")
    for name, sha256 in sorted({**record.baml, **record.scorers}.items()):
        lines.append(f"- {name}: sha256 {sha256[:16]}")
    lines += [f"- {name} {version}" for name, version in sorted(record.versions.items())]
    lines += [f"- skipped: {skipped}" for skipped in record.skipped]
    lines += [f"- warning: {warning}" for warning in record.warnings]
    lines += [f"- {label} stopped: {why}" for label, why in sorted(record.stopped.items())]
    return lines
