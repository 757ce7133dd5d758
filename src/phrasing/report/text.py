"""A comparison as text: its table, its sentences, and where the variants differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, isnan
from typing import TYPE_CHECKING, Any

from phrasing.analysis import terms as wording
from phrasing.analysis.compare import Comparison, Contrast, tally, words
from phrasing.stats.power import about

if TYPE_CHECKING:
    from phrasing.analysis.tables import Notes

Label = Callable[[str], str]
"""A variant's text to the name that tables show."""

HEADERS = ("n", "left", "points (95 %)", "p", "won/lost/same", "context ×", "answer ×", "cost ×", "would show", "verdict")
SHORT_HEADERS = ("n", "points", "p", "won/lost", "tokens", "verdict", "needs")
"""The same for 80 columns."""

VERDICTS = {"same": "no different", "undecided": "can't tell", "unchanged": "unchanged", "unknown": "can't tell"}
"""Verdicts in a word or two; the others are a matter of wording."""

LISTED = 3
"""How many undecided variants a sentence names before it says of all together what they have in common: nothing is known."""

FLIPS = 20
"""How many cases a list shows before it says how many more there are."""


def headers(comparison: Comparison) -> tuple[str, ...]:
    """Name the columns of ``cells``."""
    return tuple(header.replace("95 %", f"{100 * comparison.settings.confidence:g} %") for header in HEADERS)


def cells(contrast: Contrast, comparison: Comparison) -> tuple[str, ...]:
    """Write a contrast's figures as the columns of ``HEADERS``."""
    found = contrast.found
    return (
        str(contrast.n),
        str(contrast.left),
        span(contrast),
        p_value(contrast.corrected),
        f"{found.wins}/{found.losses}/{found.ties}" if found else "–",
        *(_ratio(contrast, name) for name in ("prompt_tokens", "answer_tokens", "cost")),
        "–" if contrast.detectable is None else f"{100 * contrast.detectable:.0f}",
        _words(contrast, comparison),
    )


def short_cells(contrast: Contrast, *, agreement: bool = False) -> tuple[str, ...]:
    """Write a contrast's figures as the columns of ``SHORT_HEADERS``; ``agreement`` is as in ``Comparison``."""
    found, ratio = contrast.found, contrast.ratios.get("prompt_tokens")
    needed = about(contrast.needed).removesuffix(" cases").replace("about ", "~").replace("more than ", ">")
    return (
        str(contrast.n),
        span(contrast),
        p_value(contrast.corrected),
        f"{found.wins}/{found.losses}" if found else "–",
        f"×{ratio.value:.2f}" if ratio else "–",
        {**VERDICTS, **wording.of(agreement).short_words}[contrast.word],
        needed if contrast.word == "undecided" else "–",
    )


def span(contrast: Contrast, unit: str = "") -> str:
    """Write a difference and its interval in points: whole ones where more would be more than is known."""
    if isnan(contrast.difference):
        return "–"
    digits = 0 if isnan(contrast.low) or contrast.high - contrast.low > 0.1 else 1
    ends = "" if isnan(contrast.low) else f" ({points(contrast.low, digits)} to {points(contrast.high, digits)})"
    return " ".join(filter(None, [points(contrast.difference, digits), unit])) + ends


def points(value: float, digits: int = 0) -> str:
    """Write a difference of shares in points, with its sign."""
    text = f"{100 * value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else "0"


def p_value(p: float) -> str:
    """Write a p-value with as many digits as matter."""
    return "–" if isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _ratio(contrast: Contrast, name: str) -> str:
    ratio = contrast.ratios.get(name)
    if ratio is None:
        return "–"
    if f"{ratio.low:.2f}" == f"{ratio.high:.2f}":
        return f"{ratio.value:.2f}"
    return f"{ratio.value:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"


def sentences(comparison: Comparison, rows: Mapping[str, Mapping[str, Any]], label: Label) -> list[str]:
    """Say what was found, a paragraph a baseline. ``rows`` are those of the summary, by variant."""
    if comparison.against:
        return _since(comparison, label)
    found = []
    for baseline in dict.fromkeys(contrast.baseline for contrast in comparison.contrasts):
        contrasts = [contrast for contrast in comparison.contrasts if contrast.baseline == baseline]
        text = f"{_baseline(comparison, rows[baseline], label(baseline))}. "
        alike = [contrast for contrast in contrasts if contrast.word == "undecided"]
        alike = alike if len(alike) > LISTED else []
        told = [f"{label(c.variant)}: {_verdict(c, comparison)}" for c in contrasts if c not in alike]
        told += [_together(alike, len(contrasts))] if alike else []
        found.append(text + "; ".join(told) + ".")
        shown = [contrast.detectable for contrast in contrasts if contrast.word == "undecided" and contrast.detectable]
        if shown:
            found[-1] += f" This design shows differences from about {100 * max(shown):.0f} points on."
    return found


def _together(alike: Sequence[Contrast], of: int) -> str:
    """Say of undecided contrasts what one can tell of each: nothing, from which difference to which, and what it would need."""
    who = f"the other {len(alike)}" if len(alike) < of else f"All {of} others"
    ends = sorted(contrast.difference for contrast in alike)
    needed = sorted(contrast.needed or inf for contrast in alike)
    few, many = (about(None if cases == inf else int(cases)) for cases in (needed[0], needed[-1]))
    cases = few if few == many else f"{few.removesuffix(' cases')} to {many.removeprefix('about ')}"
    ratios = sorted(found.value for contrast in alike if (found := contrast.ratios.get("prompt_tokens")))
    cost = f" with {_range(f'{ratio:.2f}' for ratio in ratios)} times its context tokens" if ratios else ""
    left = sorted(contrast.left + contrast.apart for contrast in alike)
    without = f" ({_range(map(str, left))} cases that only one of the two answered left out)" if left[-1] else ""
    return f"{who}: {_range(map(points, ends))} points{cost}, can't tell: would need {cases}{without}"


def _range(values: Iterable[str]) -> str:
    """Write values in order: the one, or from the first to the last."""
    first, *_, last = 2 * list(values)
    return " to ".join(dict.fromkeys([first, last]))


def _since(comparison: Comparison, label: Label) -> list[str]:
    """Say what has changed since another run: a sentence a variant, and one for all that are as they were."""
    moved = [contrast for contrast in comparison.contrasts if contrast.word != "unchanged"]
    same = [label(contrast.variant) for contrast in comparison.contrasts if contrast.word == "unchanged"]
    did = _did(comparison)
    found = [
        f"{label(contrast.variant)} {did} in {100 * contrast.theirs:.0f} % of {contrast.n} cases in {comparison.against}, "
        f"now in {100 * contrast.mine:.0f} %: {_verdict(contrast, comparison)}."
        for contrast in moved
        if contrast.found
    ]
    found += [f"{label(contrast.variant)}: {_verdict(contrast, comparison)}." for contrast in moved if not contrast.found]
    return found + ([f"Unchanged, the same answers to the same requests: {', '.join(same)}."] if same else [])


def _verdict(contrast: Contrast, comparison: Comparison) -> str:
    if contrast.found is None:
        return _words(contrast, comparison)
    ratio = contrast.ratios.get("prompt_tokens")
    cost = f" with {ratio.value:.2f} times its context tokens" if ratio else ""
    missing = [f"{contrast.left} case{'s' * (contrast.left > 1)} without an answer left out"] if contrast.left else []
    missing += [f"{contrast.apart} asked of one only"] if contrast.apart else []
    without = f" ({'; '.join(missing)})" if missing else ""
    return f"{span(contrast, 'points')}{cost}, {_words(contrast, comparison)}{without}"


def _baseline(comparison: Comparison, row: Mapping[str, Any], name: str) -> str:
    if not row["n"]:
        return f"{name} (the baseline) has no answer"
    score = comparison.settings.score
    if isnan(row[score]):
        return f"{name} (the baseline) has no answer that {score} applies to"
    low, high = row.get(f"{score}_low", float("nan")), row.get(f"{score}_high", float("nan"))
    interval = "" if isnan(low) else f" ({100 * low:.0f}–{100 * high:.0f})"
    return f"{name} (the baseline) {_did(comparison)} in {100 * row[score]:.0f} %{interval} of {row['n']} cases"


def _did(comparison: Comparison) -> str:
    """Say what a variant did that scored 1."""
    score = comparison.settings.score
    return wording.of(comparison.agreement).picked.get(score, f"scored {score}")


def _words(contrast: Contrast, comparison: Comparison) -> str:
    return words(contrast, comparison.settings, agreement=comparison.agreement)


def reversals(comparison: Comparison, label: Label) -> list[str]:
    """Say which changes help one model and hurt another."""
    return [
        f"{label(found.better.variant)} gains {points(found.better.difference)} points where {label(found.worse.variant)} "
        f"gives {points(found.worse.difference)} (p {p_value(found.p)} that the models agree)"
        for found in comparison.reversals
    ]


def floors(rows: Sequence[Mapping[str, Any]], label: Label, *, agreement: bool = False) -> list[str]:
    """Say which variants aren't shown to pick better steps than a rule that asks no model; ``rows`` are those of the summary.

    ``agreement``: what they pick is held against a logged agent's steps.
    """
    said = wording.of(agreement).floors
    found: dict[str, list[tuple[str, float]]] = {kind: [] for kind in said}
    for row in rows:
        kind = _floor(row)
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


def _floor(row: Mapping[str, Any]) -> str | None:
    """Name the rule that a variant's interval doesn't lie above: ``random``, or the better of the other two."""
    if row["intent_high"] < row["random"]:
        return "below"
    if not row["intent_low"] > row["random"]:  # nor where no interval is known
        return "random"
    best = max(("majority", "bigram"), key=lambda name: float(row[name]))
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
    by_intent = f"by {wording.of(agreement).expected} intent"
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
