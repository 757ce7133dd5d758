"""Results as text: cells of tables, what was found in sentences, and what must be known before it is used.

The same results give the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import inf, isinf, isnan, nan
from typing import TYPE_CHECKING, Any, NamedTuple

from phrasing import scores
from phrasing.analysis.compare import Comparison, Contrast, tally
from phrasing.analysis.latency import AT, Latency, Speed
from phrasing.analysis.report_data import AGREEMENT, PREFIX, Report, Row, terms
from phrasing.analysis.verdict import Verdict
from phrasing.models.provider import provider_of
from phrasing.runs.run_folders import RECORDED
from phrasing.scores import CONVERSATION, CORRECT, FORBIDDEN, SCORES, SEVERAL, SUCCESS, find, of_runs, public
from phrasing.stats.power import about
from phrasing.suite.schema import Comparing

if TYPE_CHECKING:
    from phrasing.analysis.conversations import Apart
    from phrasing.analysis.tables import Notes

Label = Callable[[str], str]
"""A variant's text to the name that tables show."""


TRUNCATED = 0.02
"""From this share of truncated answers on, a variant's figures say something about the token limit: the answer sentence tells."""

UNDECLARED = 0.02
"""From this share of answers with undeclared arguments on, a variant's share of valid answers is low because of them."""

SHARES = (
    ("truncated", TRUNCATED, "of the answers were cut at the token limit"),
    ("text_calls", 0, "of the tool calls were written as text"),
    ("text_steps", 0, "of the answers were text instead of a call"),
    ("several_steps", 0, "of the answers held several steps, of which the first one counts"),
    ("json_answers", 0, "of the answers were JSON where another notation was asked for"),
    ("extra_arguments", UNDECLARED, "of the answers had arguments that the step doesn't declare, so they aren't valid"),
)
"""Columns of the summary that are said where they lie above a share, and how."""

LISTED = 3
"""How many inconclusive variants a sentence names before it says of all together what they have in common: nothing is known."""

LEARNT = ("majority", "bigram", "words")
"""The rules without a model that know labels, by their columns of the summary; the last isn't known of old runs."""

FLIPS = 20
"""How many cases a list shows before it says how many more there are."""


def needed(contrast: Contrast) -> str:
    """Write how many cases an inconclusive comparison would need."""
    if contrast.verdict is not Verdict.INCONCLUSIVE:
        return "–"
    return about(contrast.needed).removesuffix(" cases").replace("about ", "~").replace("more than ", ">")


def span(contrast: Contrast, unit: str = "") -> str:
    """Write a difference and its interval in points: whole ones where more would be more than is known."""
    return interval(contrast.difference, contrast.low, contrast.high, unit)


def apart(found: Apart) -> str:
    """Write a difference of conversations like any other."""
    return interval(found.difference, found.low, found.high)


def interval(difference: float, low: float, high: float, unit: str = "") -> str:
    """Write a difference of shares and its interval in points; a dash where it isn't known."""
    if isnan(difference):
        return "–"
    digits = 0 if isnan(low) or high - low > 0.1 else 1
    nearest = min(low, high, key=abs)
    while (low > 0 or high < 0) and digits < 3 and points(nearest, digits) == "0":
        digits += 1  # an interval that leaves out 0 must not look as if it held it
    ends = "" if isnan(low) else f" ({points(low, digits)} to {points(high, digits)})"
    return " ".join(filter(None, [points(difference, digits), unit])) + ends


def points(value: float, digits: int = 0) -> str:
    """Write a difference of shares in points, with its sign."""
    text = f"{100 * value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else "0"


def p_value(p: float) -> str:
    """Write a p-value with as many digits as matter."""
    return "–" if isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def ratio(contrast: Contrast, name: str) -> str:
    """Write the ratio of a measure's totals, with its interval where it has one."""
    found = contrast.ratios.get(name)
    if found is None:
        return "–"
    if f"{found.low:.2f}" == f"{found.high:.2f}":
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.low:.2f}–{found.high:.2f})"


def conclusion(contrast: Contrast, settings: Comparing, *, agreement: bool = False, unit: str = "case") -> str:
    """Write a contrast's verdict with what bounds it, what it would need, and what its correction withholds.

    ``agreement`` and ``unit`` are as in ``Comparison``.
    """
    said = _claim(contrast, settings, agreement, unit)
    if contrast.withheld:
        return f"{said}; {contrast.alone.word(agreement=agreement)} if this were the only comparison"
    return said


def _claim(contrast: Contrast, settings: Comparing, agreement: bool, unit: str) -> str:
    margin, word = f"{100 * settings.margin:g} points", contrast.verdict.word(agreement=agreement)
    match contrast.verdict:
        case Verdict.WORSE if contrast.not_worse <= 1 - settings.confidence:
            return f"{word}, by less than {margin}"
        case Verdict.EQUIVALENT:
            return f"{word} within {margin}"
        case Verdict.NOT_WORSE:
            return f"{word} (within {margin})"
        case Verdict.INCONCLUSIVE:
            return f"{word}: would need {_about(contrast.needed, unit)}"
        case Verdict.UNCHANGED:
            return f"{word}: the same answers to the same requests"
        case Verdict.UNTESTED:
            return f"{word}: " + ("one conversation only" if contrast.n else f"no {unit} that both answered")
    return word


def _about(count: int | None, unit: str) -> str:
    return about(count).replace("case", unit)


def sentences(comparison: Comparison, rows: Mapping[str, Mapping[str, Any]], label: Label) -> list[str]:
    """Say what was found, a paragraph a baseline. ``rows`` are those of the summary, by variant."""
    if comparison.against:
        return _since(comparison, label)
    found = []
    for baseline in dict.fromkeys(contrast.baseline for contrast in comparison.contrasts):
        contrasts = [contrast for contrast in comparison.contrasts if contrast.baseline == baseline]
        head = _baseline(comparison, rows[baseline], label(baseline))
        found.append(f"{head}. {'; '.join(_findings(contrasts, comparison, label))}.{_too_few(contrasts, comparison.unit)}")
    return found


def _findings(contrasts: Sequence[Contrast], comparison: Comparison, label: Label) -> list[str]:
    """Say what was found of each variant; of inconclusive ones together where there are many."""
    alike = [contrast for contrast in contrasts if contrast.verdict is Verdict.INCONCLUSIVE]
    alike = alike if len(alike) > LISTED else []
    told = [f"{label(c.variant)}: {_finding(c, comparison)}" for c in contrasts if c not in alike]
    return [*told, *([_together(alike, len(contrasts), comparison.unit)] if alike else [])]


_PLAIN = {
    Verdict.BETTER: ("better than {} here", "agree more with the logged agent than {} here"),
    Verdict.WORSE: ("worse than {} here", "agree less with the logged agent than {} here"),
    Verdict.EQUIVALENT: ("as good as {} here, within {}", "agree as much with the logged agent as {} here, within {}"),
    Verdict.NOT_WORSE: ("not worse than {} here by {} or more", "agree no less with the logged agent than {} here, within {}"),
    Verdict.UNCHANGED: ("the same as {}", "the same as {}"),
}
"""What is decided by a verdict of accuracy, and of agreement; with the name of the baseline, and the margin."""


def plain(comparison: Comparison, label: Label) -> list[tuple[Verdict, str]]:
    """Say what is decided and what isn't, in words that need no statistics: a line a baseline and verdict."""
    groups: dict[tuple[str, Verdict], list[Contrast]] = {}
    for contrast in comparison.contrasts:
        groups.setdefault((contrast.baseline, contrast.verdict), []).append(contrast)
    return [(verdict, _plainly(comparison, found, verdict, label)) for (_, verdict), found in groups.items()]


def _plainly(comparison: Comparison, found: Sequence[Contrast], verdict: Verdict, label: Label) -> str:
    names, baseline, unit = _and([label(contrast.variant) for contrast in found]), label(found[0].baseline), comparison.unit
    if verdict is Verdict.UNTESTED:
        why = "there is one conversation only" if any(contrast.n for contrast in found) else f"no {unit} has both answers"
        return f"Not decided: {names} against {baseline}; {why}."
    if verdict is Verdict.INCONCLUSIVE:
        cases = _range(map(str, sorted(contrast.n for contrast in found)))
        return f"Not decided: {cases} {unit}s can't tell {names} from {baseline}; it would take {_all_needed(found, unit)}."
    how = _PLAIN[verdict][comparison.agreement].format(baseline, f"{100 * comparison.settings.margin:g} points")
    if comparison.agreement and verdict is not Verdict.UNCHANGED:
        return f"Decided: {names} {how if len(found) > 1 else how.replace('agree', 'agrees', 1)}."
    return f"Decided: {names} {'are' if len(found) > 1 else 'is'} {how}."


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def same_answers(comparison: Comparison, why: Iterable[str]) -> str:
    """Say how many answers are the same as in another run, and of those that aren't ``why`` that may be, a clause a reason.

    Nothing is said where no request is the same.
    """
    found = comparison.same_answers
    asked = found.both - found.asked_otherwise if found else 0
    if found is None or not asked:
        return ""
    where = other_run(comparison)
    said = f"All {asked} answers are" if found.same == asked else f"{found.same} of {asked} answers {_are(found.same)}"
    said += f" the same as in {where}"
    if found.same < asked:
        more = f", {found.scored_same} more {_are(found.scored_same)} scored the same" if found.scored_same else ""
        said += (
            f"{more}, {found.differ} {'differs' if found.differ == 1 else 'differ'}. The requests are the same: {'; '.join(why)}"
        )
    others = f" {found.asked_otherwise} more {_are(found.asked_otherwise)} to requests that have changed."
    return f"{said}.{others if found.asked_otherwise else ''}"


def other_run(comparison: Comparison) -> str:
    """Name the run that another one is compared with."""
    return "the recording" if comparison.against == RECORDED else str(comparison.against)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _too_few(contrasts: Sequence[Contrast], unit: str) -> str:
    """Say which differences would have shown, where some are inconclusive."""
    shown = [one.detectable for one in contrasts if one.verdict is Verdict.INCONCLUSIVE and one.detectable]
    return f" Too few {unit}s: only differences above about {100 * max(shown):.0f} points would show." if shown else ""


def _together(alike: Sequence[Contrast], of: int, unit: str) -> str:
    """Say of inconclusive contrasts what one can tell of each: from which difference to which, and what it would need."""
    who = f"the other {len(alike)}" if len(alike) < of else f"All {of} others"
    ends = sorted(contrast.difference for contrast in alike)
    cases = _all_needed(alike, unit)
    ratios = sorted(found.value for contrast in alike if (found := contrast.ratios.get("prompt_tokens")))
    cost = f" with {_range(f'{ratio:.2f}' for ratio in ratios)} times its context tokens" if ratios else ""
    left = sorted(contrast.left + contrast.apart for contrast in alike)
    without = f" ({_range(map(str, left))} {unit}s that only one of the two answered left out)" if left[-1] else ""
    return f"{who}: {_range(map(points, ends))} points{cost}, {Verdict.INCONCLUSIVE}: would need {cases}{without}"


def _all_needed(contrasts: Sequence[Contrast], unit: str) -> str:
    """Write how many cases several contrasts would need, from the one that needs fewest on."""
    needed = sorted(contrast.needed or inf for contrast in contrasts)
    few, many = (about(None if cases == inf else int(cases)) for cases in (needed[0], needed[-1]))
    return (few if few == many else f"{few.removesuffix(' cases')} to {many.removeprefix('about ')}").replace("case", unit)


def _range(values: Iterable[str]) -> str:
    """Write values in order: the one, or from the first to the last."""
    first, *_, last = 2 * list(values)
    return " to ".join(dict.fromkeys([first, last]))


def _since(comparison: Comparison, label: Label) -> list[str]:
    """Say what has changed since another run: a sentence a variant, and one for all that are as they were."""
    moved = [contrast for contrast in comparison.contrasts if not as_before(contrast)]
    same: dict[int, list[str]] = {}
    for contrast in comparison.contrasts:
        if as_before(contrast):
            same.setdefault(contrast.apart, []).append(label(contrast.variant))
    found = [
        f"{label(contrast.variant)} {_then_and_now(contrast, comparison)}: {_finding(contrast, comparison)}."
        for contrast in moved
        if contrast.found
    ]
    found += [f"{label(contrast.variant)}: {_finding(contrast, comparison)}." for contrast in moved if not contrast.found]
    return found + [
        f"Unchanged, the same answers to the same requests: {', '.join(names)}{f' ({apart} asked of one only)' if apart else ''}."
        for apart, names in same.items()
    ]


def _then_and_now(contrast: Contrast, comparison: Comparison) -> str:
    of, then, now = f"{contrast.n} {comparison.unit}s in {comparison.against}", 100 * contrast.theirs, 100 * contrast.mine
    if comparison.settings.score in SEVERAL:
        return f"had a mean {comparison.settings.score} of {then:.0f} % over {of}, now {now:.0f} %"
    return f"{_did(comparison)} in {then:.0f} % of {of}, now in {now:.0f} %"


def as_before(contrast: Contrast) -> bool:
    """Whether both runs hold the same of a variant, in all cases that both were asked."""
    return contrast.verdict is Verdict.UNCHANGED and not contrast.left


def _conclusion(contrast: Contrast, of: Comparison) -> str:
    return conclusion(contrast, of.settings, agreement=of.agreement, unit=of.unit)


def _finding(contrast: Contrast, comparison: Comparison) -> str:
    if contrast.found is None:
        return _conclusion(contrast, comparison)
    ratio = contrast.ratios.get("prompt_tokens")
    cost = f" with {ratio.value:.2f} times its context tokens" if ratio else ""
    missing = (
        [f"{contrast.left} {comparison.unit}{'s' * (contrast.left > 1)} without an answer left out"] if contrast.left else []
    )
    missing += [f"{contrast.apart} asked of one only"] if contrast.apart else []
    without = f" ({'; '.join(missing)})" if missing else ""
    return f"{span(contrast, 'points')}{cost}, {_conclusion(contrast, comparison)}{without}"


def _baseline(comparison: Comparison, row: Mapping[str, Any], name: str) -> str:
    score = comparison.settings.score
    n = row["conversation_n"] if comparison.unit == "conversation" else row["n"]
    if not n:
        return f"{name} (the baseline) has no answer"
    if isnan(row[score]):
        return f"{name} (the baseline) has no answer that {public(score)} applies to"
    if score in SEVERAL:  # a share in each case, so nothing was done in so many of them
        return f"{name} (the baseline) has a mean {score} of {100 * row[score]:.0f} %"
    low, high = row.get(f"{score}_low", float("nan")), row.get(f"{score}_high", float("nan"))
    interval = "" if isnan(low) else f" ({100 * low:.0f}–{100 * high:.0f})"
    return f"{name} (the baseline) {_did(comparison)} in {100 * row[score]:.0f} %{interval} of {n} {comparison.unit}s"


def _did(comparison: Comparison) -> str:
    """Say what a variant did that scored 1."""
    score = comparison.settings.score
    found = of_runs(score) if comparison.loops else find(score)
    return found.titles(agreement=comparison.agreement).sentence if found else f"scored {score}"


def reversals(comparison: Comparison, label: Label) -> list[str]:
    """Say which changes help one model and hurt another."""
    return [
        f"{label(found.better.variant)} gains {points(found.better.difference)} points where {label(found.worse.variant)} "
        f"gives {points(found.worse.difference)} (p {p_value(found.p)} that the models agree)"
        for found in comparison.reversals
    ]


def no_model(rows: Sequence[Mapping[str, Any]], label: Label, *, agreement: bool = False) -> list[str]:
    """Say which variants aren't shown to pick better steps than a rule that asks no model; ``rows`` are those of the summary.

    ``agreement``: what they pick is held against a logged agent's steps.
    """
    said = terms(agreement).no_model
    found: dict[str, list[tuple[str, float]]] = {kind: [] for kind in said}
    for row in rows:
        kind = _no_model(row)
        if row["n"] and kind:
            found[kind].append((label(row["variant"]), row["random" if kind == "below" else kind]))
    return [
        f"{together([name for name, _ in variants], len(rows))}: {said[kind]} ({percents(value for _, value in variants)} %)"
        for kind, variants in found.items()
        if variants
    ]


def together(names: Sequence[str], of: int) -> str:
    """Name the variants that something is said of, or say that it is all of them."""
    return f"All {of} variants" if 1 < len(names) == of else ", ".join(names)


def _no_model(row: Mapping[str, Any]) -> str | None:
    """Name the rule that a variant's interval doesn't lie above: ``random``, or the best of the others."""
    if row["intent_high"] < row["random"]:
        return "below"
    if not row["intent_low"] > row["random"]:  # nor where no interval is known
        return "random"
    best = max((name for name in LEARNT if not isnan(row[name])), key=lambda name: float(row[name]))
    return None if row["intent_low"] > row[best] else best


def percents(values: Iterable[float]) -> str:
    """Write shares as whole percents: one, or from the lowest to the highest."""
    ends = sorted({f"{100 * value:.0f}" for value in values}, key=int)
    return " to ".join(dict.fromkeys([ends[0], ends[-1]]))


def flips(contrast: Contrast, notes: Notes, *, most: int = FLIPS, agreement: bool = False) -> list[str]:
    """Say where a variant and its baseline differ: by tag, by expected intent (or logged one: ``agreement``), and which cases."""
    if not contrast.flips:
        return []
    lines = []
    by_intent = f"by {terms(agreement).expected} intent"
    tallies = {"by tag": tally(contrast.flips, notes, "tags"), by_intent: tally(contrast.flips, notes, "expect")}
    for title, rows in tallies.items():
        if rows:
            lines.append(f"{title}: {', '.join(f'{name} +{up} −{down}' for name, up, down in rows[:8])}")
    won = [flip for flip in contrast.flips if flip.mine > flip.baseline]
    lost = [flip for flip in contrast.flips if flip.mine < flip.baseline]
    for title, kept in (("won", won), ("lost", lost)):
        if kept:
            more = f", and {len(kept) - most} more" if len(kept) > most else ""
            lines.append(f"{title}: {', '.join(f'{flip.dataset}::{flip.case}' for flip in kept[:most])}{more}")
    check = f"by McNemar's test, which knows of no groups, {p_value(contrast.mcnemar)}"
    return [*lines, f"uncorrected p {p_value(contrast.p)}; {check}"]


def confusions(confused: Sequence[tuple[str, str, int]], *, most: int = 8) -> str:
    """Write which intents were expected where others were chosen, the most frequent first."""
    shown = ", ".join(f"{wanted} → {got} {count}" for wanted, got, count in confused[:most])
    return shown + (f", and {len(confused) - most} more kinds" if len(confused) > most else "")


# ---------------------------------------------------------------------------------------------- the whole report


def counted(counts: Mapping[str, int]) -> str:
    """Write counts in one line, the most frequent first."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


class Picked(NamedTuple):
    """How often a variant picked one of the tools that its suite adds: of how many ``answers``, and which."""

    variant: str
    added: int
    answers: int
    picked: Counter[str]

    @property
    def share(self) -> float:
        """The share of answers; NaN where there is none."""
        return self.picked.total() / self.answers if self.answers else nan


def picked(report: Report) -> list[Picked]:
    """Count the answers that picked an added tool, for each variant that has some."""
    rows = {row["variant"]: row for row in report.variants}
    return [
        Picked(
            name,
            len(tools),
            rows[name]["trials"] - rows[name]["errors"],
            Counter({step: n for step, n in report.chosen.get(name, {}).items() if step in tools}),
        )
        for name, tools in report.added.items()
    ]


def percent(value: float) -> str:
    """Write a share as a whole number of percent."""
    return "–" if isnan(value) else f"{100 * value:.0f}"


def signed(value: float) -> str:
    """Write what may lie below 0 as a whole number of percent."""
    return percent(value).replace("-", "−") if isnan(value) or round(100 * value) else "0"


def share(row: Row, name: str, *, to: str = "–") -> str:
    """Write a share of the summary with its interval, where there is one, in percent."""
    value, low, high = (signed(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return value if isnan(row[f"{name}_low"]) else f"{value} ({low}{to}{high})"


def number(value: float, digits: int = 0) -> str:
    """Write a number, or a dash where there is none."""
    return "–" if isnan(value) else f"{value:,.{digits}f}"


def seconds(row: Latency, place: int) -> str:
    """Write a quantile of latencies with its interval, in seconds."""
    found = row.seconds[place]
    return number(found.value, 2) + _between(found.low, found.high)


def times(row: Latency, place: int) -> str:
    """Write how many times the baseline's a quantile of latencies is, with its interval."""
    return number(row.ratios[place].value, 2) + _between(row.ratios[place].low, row.ratios[place].high) if row.ratios else "–"


def _between(low: float, high: float) -> str:
    return "" if isnan(low) else f" ({low:.2f}–{'∞' if isinf(high) else f'{high:.2f}'})"


def speed(row: Latency) -> str:
    """Say what may be said of a variant's latencies, of each quantile where it isn't the same."""
    if len(set(row.verdicts)) < 2:
        return row.verdicts[0] if row.verdicts else "baseline"
    return ", ".join(f"p{100 * at:g} {verdict}" for at, verdict in zip(AT, row.verdicts, strict=True))


def speeds(part: Report, label: Callable[[str], str]) -> list[str]:
    """Say in a paragraph which variants are shown to be faster or slower than their baseline, if any are."""
    told = []
    for row in part.latency:
        found = [(place, verdict) for place, verdict in enumerate(row.verdicts) if verdict in (Speed.FASTER, Speed.SLOWER)]
        if found:
            how = ", ".join(f"{verdict} at p{100 * AT[place]:g}, {times(row, place)} times" for place, verdict in found)
            told.append(f"{label(row.variant)} is {how}")
    return [f"Against the baseline's latency: {'; '.join(told)}."] if told else []


def without_model(report: Report) -> list[str]:
    """Say how often rules that ask no model pick an acceptable step: a line a dataset, or a function where they differ."""
    shown = {
        pair: ", ".join(f"{rule} {percent(share)} %" for rule, share in found.shares.items())
        for pair, found in report.no_model.items()
    }
    lines: dict[str, None] = {}
    for (dataset, function), text in shown.items():
        differ = len({other for (name, _), other in shown.items() if name == dataset}) > 1
        short = f" {function.removeprefix(PREFIX) or function}" if differ else ""
        lines[f"{dataset}{short} {report.words.without}: {text}"] = None
    return list(lines)


def legend(report: Report) -> list[str]:
    """Explain the columns of the variants' table, and the marks of formats."""
    said = []
    for score in SCORES:
        titles = score.titles(agreement=report.agreement)
        more = {
            "intent": " (with its interval over groups of cases, repeats averaged first)",
            FORBIDDEN: ", of those that forbid one",
        }.get(score.stored, "")
        if score.stored != "args":
            said.append(f"{titles.column.removesuffix(' %')}: {titles.meaning}{more};")
    if report.steps_differ:
        said.append("gain over chance: how far intent lies on the way from that of a random step (0) to 100;")
    said.append("context tokens: the prompt as the provider counts it, and how many times the baseline's on the same cases.")
    said.append(f"{report.words.rules}.")
    return [*said, *_marks(report)]


def _marks(report: Report) -> list[str]:
    """Explain the marks of formats."""
    said = []
    for name, format in report.record.formats.items():
        marks = {"injectable": format.get("spoofable"), "lossy": format.get("lossy")}
        said += [f"{name} is {mark}: {why}." for mark, why in marks.items() if why]
    return said


def legend_of_runs(report: Report) -> list[str]:
    """Explain the columns of the table of runs of agents."""
    return [
        "success: the share of tasks that were done, as the environment judges (with its interval over groups of tasks, repeats "
        "averaged first);",
        "forbidden: tasks in which an effect that the task forbids happened, of those that forbid one;",
        "false done: the agent ended its turn, and the task wasn't done;",
        "steps, context tokens and answer tokens: of a whole run, the mean; beside context tokens how many times the baseline's "
        "on the same tasks. Runs that fail early are short, so read these beside success;",
        "tokens a success: all context tokens by the number of successes.",
        *_marks(report),
    ]


def conversation_legend(report: Report) -> list[str]:
    """Explain the columns of the table of whole conversations."""
    titles = scores.titles(CONVERSATION, agreement=report.agreement)
    said = [
        f"{titles.column.removesuffix(' %')}: the share of conversations in which {titles.meaning}, arguments and all, in the "
        "same repeat; beside it that of their single steps. Each step was asked with the history as it was written.",
        "A conversation counts where all of its steps that were asked have an answer.",
    ]
    if report.comparison.conversations:
        said.append(
            "points: the difference from the baseline, paired by conversation; its interval is not corrected, and no test."
        )
    return said


def comparison_legend(comparison: Comparison) -> list[str]:
    """Explain the columns of a comparison's table."""
    if not comparison.contrasts:
        return []
    against, count, one = comparison.against or "the baseline", len(comparison.contrasts), comparison.unit
    return [
        f"Each {one} is compared with itself, by the score {comparison.score}. points: what the variant has more than {against}, "
        "in percentage points, with the interval.",
        f"p (corrected): the probability of a difference at least so large if there were none, corrected (Holm) for {count} "
        f"comparison{'s' * (count > 1)}.",
        f"left out: {one}s that one of the two didn't answer.",
        f"minimum detectable difference: the smallest one, in points, that so many {one}s show with a chance of 80 %.",
        "×: how many times the total of the baseline on the same cases.",
        "docs/statistics.md says what each verdict means.",
    ]


def answer(report: Report) -> str:
    """Say what was found, and in a last paragraph what must be known before it is used."""
    return "\n\n".join([*gist(report), " ".join(caveats(report))])


def gist(report: Report) -> list[str]:
    """Say what was found: a paragraph a baseline, with verdicts that hold up."""
    said = []
    for part in report.parts:
        rows = {row["variant"]: row for row in part.variants}
        compared = sentences(part.comparison, rows, report.label)
        said += compared or [" ".join(f"{report.label(name)}: {part.words.share}{_share(row)}." for name, row in rows.items())]
        said += [f"{line}." for line in reversals(part.comparison, report.label)]
        said += speeds(part, report.label)
    return said


def _share(row: Row) -> str:
    if not row["n"]:
        return "– (nothing answered)"
    right, what = (SUCCESS, "tasks") if "steps" in row else (CORRECT, "cases")
    low, high = percent(row[f"{right}_low"]), percent(row[f"{right}_high"])
    return f"{percent(row[right])} % ({low}–{high}) of {row['n']} {what}"


def _labels(report: Report) -> list[str]:
    """Say which labels aren't somebody's judgement."""
    count = report.record.strengths
    total, logged, rules = count.total(), count["logged"], count["heuristic"]
    said = [AGREEMENT.note] if report.agreement else []
    if report.logged:
        said.append(
            f"{logged} of {total} labels are logged, what a logged agent did: agreement with it isn't accuracy, so these are "
            "reported apart."
        )
    return said + ([f"{rules} of {total} labels are heuristic: a rule made them."] if rules else [])


FEW_DIFFER = 10
"""Where fewer conversations differ, an interval covers over 97 % (``benchmarks/calibration.md``)."""


def caveats(report: Report) -> list[str]:
    """List what a reader must know before using the figures."""
    said = _labels(report)
    for part in report.parts if not report.record.loops else ():
        said.append(part.words.chance.format(percents(found.random for found in part.no_model.values())))
        said += [f"{line}." for line in no_model(part.variants, report.label, agreement=part.agreement)]
    said += [*_unanswered(report), *_too_long(report), *_forms(report), *_added(report)]
    said += [*_scorers(report), *_few_differ(report)]
    return [*said, *_selection(report), *_models(report)]


def _few_differ(report: Report) -> list[str]:
    """Say of how many comparisons the interval covers more than it says, for want of conversations that differ.

    Those of a run that stops early have intervals of another kind.
    """
    tested = [one.found for part in report.comparison.parts for one in part.contrasts if one.found and not isnan(one.p)]
    tested = [found for found in tested if found.anytime is None]
    few = sum(found.spread.telling < FEW_DIFFER for found in tested)
    if not few:
        return []
    which = "both" if few == len(tested) == 2 else "all" if few == len(tested) > 1 else f"{few} of {len(tested)}"
    what = "groups of tasks" if report.loops else "conversations"
    where = f"In {which} comparison{'s' * (len(tested) > 1)} fewer than {FEW_DIFFER} {what} differ"
    return [f"{where}: the interval is wider than it need be there (it holds the truth in 97 to 100 % instead of 95 %)."]


def _unanswered(report: Report) -> list[str]:
    """Say how many trials are in no figure, and why."""
    rows = [row for part in report.parts for row in part.variants]
    errors, spared, trials = sum(row["errors"] for row in rows), report.record.spared or 0, report.record.trials
    missing = trials - sum(row["trials"] for row in rows) - spared
    said = []
    if errors == 1:
        said.append("1 trial has no answer because of an error and is in no figure.")
    elif errors:
        said.append(f"{errors} trials have no answer because of errors and are in no figure.")
    if missing > 0:
        said.append(f"{missing} of {trials} trials weren't asked.")
    if report.record.spared is not None:
        said.append(
            f"{spared} of {trials} calls weren't needed, because their comparisons were decided before. The verdicts allow for "
            "looking after every group, and each rests on the groups that were looked at until it was reached."
        )
    return said


def _too_long(report: Report) -> list[str]:
    """Say whose prompts were longer than the context window: that they count as wrong says nothing of the model's choice."""
    said = []
    for part in report.parts:
        where = " in cases with logged labels" if part is report.logged else ""
        shares = {
            report.label(row["variant"]): part.stages.get(row["variant"], {}).get("overflow", 0) / (row["trials"] - row["errors"])
            for row in part.variants
            if row["trials"] > row["errors"]
        }
        whole = [label for label, share in shares.items() if share == 1]
        some = {label: share for label, share in shares.items() if 0 < share < 1}
        told = f"of prompts{where} were longer than the model's context window, and count as wrong"
        if whole:
            said.append(f"{together(whole, len(part.variants))}: 100 % {told}. No figure there says anything of answers.")
        if some:
            said.append(f"{together(list(some), len(part.variants))}: {percents(some.values())} % {told}.")
    return said


def _forms(report: Report) -> list[str]:
    """Say whose answers were often cut, or written in another form than was asked for."""
    said = []
    for (column, least, what), part in product(SHARES, report.parts):
        rows = [row for row in part.variants if row[column] > least]
        if rows:
            names = together([report.label(row["variant"]) for row in rows], len(part.variants))
            where = " in cases with logged labels" if part is report.logged else ""
            said.append(f"{names}: {percents(row[column] for row in rows)} % {what}{where}.")
    return said


def _added(report: Report) -> list[str]:
    """Say how often answers picked a tool that isn't the agent's, where any did."""
    said = []
    for part in report.parts:
        found = [row for row in picked(part) if row.picked]
        names = "; ".join(f"{report.label(row.variant)} in {percent(row.share)} % of {row.answers} answers" for row in found)
        where = " in cases with logged labels" if part is report.logged else ""
        said += [f"A tool that the suite adds was picked{where}, which is never right: {names}."] if found else []
    return said


def _scorers(report: Report) -> list[str]:
    return [
        f"The scorer {name} failed on {failed} answer{'s' * (failed > 1)}, which its mean leaves out."
        for name, failed in report.scorers.items()
        if failed
    ]


def _selection(report: Report) -> list[str]:
    """Say what was left out of the suite, and of threads."""
    said = [f"Only a part of the suite was asked ({report.record.part})."] if report.record.part else []
    for name, edit in report.record.edits.items():
        said += [f"{name} is lossy: {edit['lossy']}."] if edit["lossy"] else []
        said += [f"{name} adds {edit['adds']}."] if edit["adds"] else []
    return said


def _models(report: Report) -> list[str]:
    """Say what the providers of models say of their figures."""
    noted: dict[str, list[str]] = {}
    for label, model in sorted(report.record.models.items()):
        noted.setdefault(provider_of(str(model["id"])).note, []).append(label)
    return [f"{' and '.join(labels)}: {note}." for note, labels in noted.items() if note]


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table: the first column to the left, the others to the right."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return ["| " + " | ".join(map(escape, line)) + " |" for line in lines]


def escape(text: str) -> str:
    """Keep a text from being read as Markdown: names and messages come from files and providers."""
    return re.sub(r"[\\`*<\[|]", r"\\\g<0>", text)
