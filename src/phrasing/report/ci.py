"""What a continuous-integration service reads: JUnit XML, a short Markdown page, GitHub's workflow commands.

Names and reasons come from files and models: each text is escaped for where it goes. The same results give the same bytes.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phrasing.analysis.compare import Comparison
from phrasing.analysis.gates import GateResult, Outcome, describe
from phrasing.analysis.report_data import Report
from phrasing.errors import shorten
from phrasing.records import Result, RunRecord
from phrasing.report import columns
from phrasing.report.columns import Table
from phrasing.report.markdown import written
from phrasing.report.text import caveats, escape, flips, gist, table
from phrasing.scores import FORBIDDEN, public
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import MEASURES, Requirement

Results = Mapping[str, Result]
"""Results by trial id."""

SUMMARY = 60_000
"""Characters of a summary at most: GitHub refuses a comment of more than 65,536."""

ANNOTATIONS = 10
"""GitHub shows so many of a kind for each step of a job, and drops the rest without a word."""

ANSWER = 2_000
"""How much of an answer a JUnit file quotes."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_WORDS = {"missed": "missed", "error": "can't be measured", "inconclusive": "inconclusive", "not evaluated": "not evaluated"}
_ORDER = {status: i for i, status in enumerate((*_WORDS, "passed"))}


# ---------------------------------------------------------------------------------------------- what there is to say


def explain(result: GateResult, results: Results, *, repeats: int) -> list[str]:
    """Write a result in full: the gate, what was measured and, where it doesn't hold, the cases that speak most against it."""
    lines = [result.text]
    if result.worst and not result.passed:
        lines += ["worst cases:", *(f"  {line}" for line in worst(result, results, repeats=repeats))]
    return lines


def worst(result: GateResult, results: Results, *, repeats: int) -> list[str]:
    """Name the cases that speak most against a gate, each with what is wrong."""
    lines = []
    for dataset, case in result.worst:
        trials = (f"{dataset}::{case}[{result.variant}]#{repeat}" for repeat in range(repeats))
        found = [results[trial] for trial in trials if trial in results]
        lines.append(f"{dataset}::{case}: {shorten(_why(found, result.requirement.score))}")
    return lines


def _why(found: Sequence[Result], score: str) -> str:
    """Say what is wrong in the repeat of a case that went most wrong."""
    answered = [result for result in found if result.error is None]
    if score in MEASURES:
        costs = [cost for cost in (_cost(result, score) for result in answered) if cost is not None]
        return f"{score} {max(costs):,g}" if costs else "no answer"
    return _lowest(answered, score) or next((result.why for result in found), "") or "no answer"


def _lowest(answered: Sequence[Result], score: str) -> str | None:
    """Say what is wrong in the first of the answers that scored worst; ``None`` where the score applies to none."""
    scored = [result.scores[score] for result in answered if score in result.scores]
    known = [(value if score == FORBIDDEN else -value, -i) for i, one in enumerate(scored) if (value := one.value) is not None]
    if not known:
        return None
    one = scored[-max(known)[1]]
    return one.reason or f"{public(score)} {one.value:g}"


def _cost(result: Result, measure: str) -> float | None:
    completion = result.completion
    if measure == "tokens":
        return None if result.tokens.spread else result.tokens.total
    if completion is None:
        return None
    usage = completion.usage
    return {"prompt_tokens": usage.prompt, "answer_tokens": usage.completion, "cost": completion.cost}[measure]


def _repeats(report: Report) -> int:
    repeats = report.record.resolved.get("repeats", 1)
    assert isinstance(repeats, int)
    return repeats


def _partial(report: Report) -> str | None:
    return report.record.part


def _unheld(report: Report) -> list[str]:
    """Name the gates that no variant was held to. Where only a part was asked that is all of them, and isn't said of each."""
    listed = report.record.resolved.get("require", ())
    if _partial(report) or not isinstance(listed, Sequence):
        return []
    required = map(Requirement.model_validate, listed)
    held = [result.requirement for result in report.gates]
    return [describe(gate) for gate in required if gate not in held]


def _unanswered(report: Report) -> int:
    """Count the trials that have no answer, because of an error or because they weren't asked.

    One that wasn't asked because its comparisons were decided before needs none.
    """
    answered: int = sum(row["trials"] - row["errors"] for part in report.parts for row in part.variants)
    return report.record.trials - answered - (report.record.spared or 0)


def _errors(report: Report) -> list[str]:
    """Count the trials without an answer by what went wrong, each kind with the first of its messages."""
    return [f"{count} × {kind}: {shorten(said)}" for kind, (count, said) in report.errors.items()]


def headline(report: Report) -> str:
    """Say how a run stands in a line: ``all 5 gates hold``."""
    total, unheld, unanswered = len(report.gates), len(_unheld(report)), _unanswered(report)
    counts = {status: sum(result.status == status for result in report.gates) for status in _WORDS}
    parts = [f"{count} {_WORDS[status]}" for status, count in counts.items() if count]
    if parts:
        number, _, word = parts[0].partition(" ")
        parts[0] = f"{number} of {total} gate{'s' * (total > 1)} {word}"
    elif total:
        parts.append("the gate holds" if total == 1 else f"all {total} gates hold")
    elif partial := _partial(report):
        parts.append(f"no gate was evaluated, only a part was asked ({shorten(partial, 200)})")
    elif not unheld:
        parts.append("the suite has no gates")
    if unheld:
        parts.append(f"{unheld} not evaluated (no such variant was asked)")
    if unanswered:
        parts.append(f"{unanswered} of {report.record.trials} trials have no answer")
    return ", ".join(parts)


# ---------------------------------------------------------------------------------------------- JUnit


def junit(report: Report, results: Results, *, trials: bool = False) -> str:
    """Write JUnit XML: a test case for each gate and variant and, with ``trials``, one for each trial that went wrong.

    What keeps gates from being evaluated is a test case too, so that silence never looks like success.
    """
    record, repeats = report.record, _repeats(report)
    suite = ET.Element("testsuite", {"name": _xml(record.suite)})
    _properties(suite, record)
    for result in report.gates:
        lines = explain(result, results, repeats=repeats)
        name = f"{result.name} [{report.label(result.variant)}]"
        _case(suite, record.suite, name, result.status.outcome(inconclusive=report.inconclusive), lines[0], "\n".join(lines))
    for name in _unheld(report):
        _case(suite, record.suite, name, "skipped", "no such variant was asked")
    if partial := _partial(report):
        _case(suite, record.suite, "gates", "skipped", f"no gate was evaluated: only a part was asked ({partial})")
    if unanswered := _unanswered(report):
        message = f"{unanswered} of {record.trials} trials have no answer, so the numbers are partial"
        _case(suite, record.suite, "every trial has an answer", "error", message, "\n".join([message, *_errors(report)]))
    for trial in sorted(results) if trials else ():
        found = results[trial]
        if found.why:
            said = found.completion.text[:ANSWER] if found.completion else ""
            body = f"{found.why}\n\nanswer:\n{said}" if said else found.why
            _case(suite, f"{record.suite}.trials", trial, "error" if found.error else "failed", found.why, body)
    _count(suite)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _properties(suite: ET.Element, record: RunRecord) -> None:
    """Write what was asked: the commit and the models."""
    properties = ET.SubElement(suite, "properties")
    facts = {"commit": record.commit, **{f"model {label}": model["id"] for label, model in sorted(record.models.items())}}
    for name, value in facts.items():
        if value:
            ET.SubElement(properties, "property", {"name": _xml(name), "value": _xml(value)})


def _count(suite: ET.Element) -> None:
    """Write how many test cases there are, and how many of them failed in which way."""
    cases = list(suite.iter("testcase"))
    suite.set("tests", str(len(cases)))
    for plural, one in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(plural, str(sum(case.find(one) is not None for case in cases)))


def _case(suite: ET.Element, classname: str, name: str, outcome: Outcome, message: str, body: str = "") -> None:
    case = ET.SubElement(suite, "testcase", {"classname": _xml(classname), "name": _xml(name)})
    if outcome != "passed":
        ET.SubElement(case, {"failed": "failure"}.get(outcome, outcome), {"message": _xml(shorten(message))}).text = _xml(body)
    else:
        ET.SubElement(case, "system-out").text = _xml(body)


def _xml(text: str) -> str:
    """Drop the characters that XML can't hold, not even escaped."""
    return _NOT_XML.sub("", text)


# ---------------------------------------------------------------------------------------------- Markdown


@dataclass(frozen=True)
class _Part:
    """Lines of a page: ``rows`` are left out where the page would grow too long, what stands around them isn't."""

    head: Sequence[str] = ()
    rows: Sequence[str] = ()


def summary(report: Report, results: Results, *, against: Comparison | None = None) -> str:
    """Write the short Markdown for a job's summary or a pull request's comment: at most ``SUMMARY`` characters.

    ``against`` is a comparison with another run, shown before that with the baselines. Lists are cut to fit, numbers never.
    """
    title = f"### {escape(report.record.suite)}: {escape(headline(report))}"
    parts = [_Part([title, "", escape(shorten(report.description))])]
    if report.gates:
        ordered = sorted(report.gates, key=lambda result: _ORDER[result.status])
        parts.append(_table(columns.gates(ordered, report.label)))
    compared = [found for whole in (against, report.comparison) if whole for found in whole.parts if found.contrasts]
    parts += [part for found in compared for part in _compared(found, report)]
    parts.append(_Part([""], [*_bullets(caveats(report)), *(f"- {_quoted(line)}" for line in _errors(report))]))
    parts.append(_Part(["", "<details>", "<summary>Variants, worst cases, and where variants differ</summary>"]))
    for part in report.parts:
        parts.append(_table(columns.summary(part, report.label)))
        parts += [_table(columns.own_scores(part, report.label))] if part.own_scores else []
    parts.append(_Part([""], _bullets(gist(report))))
    parts += [*_worst(report, results), *(part for found in compared for part in _flips(found, report))]
    return _fit([*parts, _Part(["", "</details>"])], SUMMARY)


def _compared(found: Comparison, report: Report) -> list[_Part]:
    """Write a comparison in short, after what has changed since another run if it is with one."""
    parts = [_Part(["", f"Against {_other(found)}, score {escape(found.score)}:"])]
    if found.against:
        parts.append(_Part(["", "Changed since then:", ""], _bullets(found.changed or ["nothing that is recorded"])))
    named = columns.comparison(found, report.label).short()
    header, rule, *rows = table([title for _, title, _ in named], zip(*(cells for _, _, cells in named), strict=True))
    return [*parts, _Part(["", header, rule], rows)]


def _worst(report: Report, results: Results) -> list[_Part]:
    """List the cases that speak most against the gates that don't hold."""
    failing = [result for result in report.gates if not result.passed]
    listed = [(v, line) for v in failing for line in worst(v, results, repeats=_repeats(report))]
    lines = [f"- {escape(_of(v, report))}: {_quoted(line)}" for v, line in listed]
    return [_Part(["", "Worst cases:", ""], lines)] if lines else []


def _flips(found: Comparison, report: Report) -> list[_Part]:
    """Say where variants differ from what they are compared with."""
    lines = [
        f"{report.label(c.variant)}, {line}"
        for c in found.contrasts
        for line in flips(c, found.notes(report.record.cases), agreement=found.agreement)
    ]
    return [_Part(["", f"Other than {_other(found)}:", ""], _bullets(lines))] if lines else []


def _other(found: Comparison) -> str:
    return escape(shorten(found.against or "the baseline", 200))


def _of(result: GateResult, report: Report) -> str:
    return f"{result.name} [{report.label(result.variant)}]"


def _table(shown: Table[Any]) -> _Part:
    header, rule, *rows = written(shown)
    return _Part(["", header, rule], rows)


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {escape(line)}" for line in lines]


def _quoted(text: str) -> str:
    """Quote what may come from a model as code, where Markdown sees neither markup nor the names of people."""
    return f"`{text.replace('`', chr(39))}`"


_CUT = "… and {} more, in the report"


def _fit(parts: Sequence[_Part], limit: int) -> str:
    """Join the parts; leave out the rows that don't fit, and say how many."""
    left = limit - sum(len(line) + 1 for part in parts for line in part.head) - len(parts) * (len(_CUT) + 10)
    lines: list[str] = []
    for part in parts:
        lines += part.head
        cut = 0
        for row in (" ".join(row.splitlines()) for row in part.rows):
            if len(row) < left:
                lines.append(row)
                left -= len(row) + 1
            else:
                cut += 1
        if cut:
            lines += ["", _CUT.format(cut)]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------- GitHub


def commands(report: Report, results: Results, *, file: SuiteFile | None = None) -> list[str]:
    """Write GitHub's workflow commands: one for each gate that doesn't hold, at its line of the suite where ``file`` has it."""
    failing = [result for result in report.gates if not result.passed]
    lines = []
    if unanswered := _unanswered(report):
        message = f"{unanswered} of {report.record.trials} trials have no answer, so the numbers are partial"
        lines.append(_command("warning", "\n".join([message, *_errors(report)]), {"title": report.record.suite}))
    for result in sorted(failing, key=lambda result: _ORDER[result.status])[:ANNOTATIONS]:
        command = "warning" if result.status.outcome(inconclusive=report.inconclusive) == "skipped" else "error"
        message = "\n".join(explain(result, results, repeats=_repeats(report)))
        place = _place(file, result.requirement) if file else {}
        lines.append(_command(command, message, {**place, "title": _of(result, report)}))
    if len(failing) > ANNOTATIONS:
        lines.append(_command("notice", f"{len(failing) - ANNOTATIONS} more gates don't hold; the summary lists them all"))
    return lines


def _place(file: SuiteFile, gate: Requirement) -> dict[str, str]:
    """Find a gate in a suite; one that was edited since, or came from elsewhere, has no line."""
    if gate not in file.suite.require:
        return {"file": file.path.as_posix()}
    path, _, line = file.where("require", file.suite.require.index(gate)).rpartition(":")
    return {"file": path, "line": line}


def _command(name: str, message: str, properties: Mapping[str, str] | None = None) -> str:
    """Write a workflow command, with what would end it or a property of it escaped as GitHub's documentation demands."""
    written = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in (properties or {}).items())
    return f"::{name}{' ' * bool(written)}{written}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
