"""A comparison as text: its table, its sentences, and where the arms differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from phrasing.compare import Comparison, Contrast, about, tally, words

if TYPE_CHECKING:
    from phrasing.aggregate import Notes

Label = Callable[[str], str]
"""An arm's text to the name that tables show."""

HEADERS = ("n", "left", "points (95 %)", "p", "won/lost/same", "context ×", "answer ×", "cost ×", "would show", "verdict")
SHORT_HEADERS = ("n", "points", "p", "won/lost", "context ×", "verdict", "needs")
"""The same for 80 columns."""

VERDICTS = {
    "better": "better",
    "worse": "worse",
    "same": "no different",
    "not worse": "not worse",
    "undecided": "can't tell",
    "unknown": "can't tell",
}
"""A verdict in short."""

PICKED = {
    "intent": "picked an acceptable step",
    "step": "picked an acceptable step, arguments and all,",
    "args": "gave acceptable arguments",
    "strict": "gave an answer that needs no repair",
}

FLIPS = 20
"""How many cases a list shows before it says how many more there are."""


def headers(comparison: Comparison, *, short: bool = False) -> tuple[str, ...]:
    """Name the columns of ``cells``."""
    percent = f"{100 * comparison.settings.confidence:g} %"
    return tuple(header.replace("95 %", percent) for header in (SHORT_HEADERS if short else HEADERS))


def cells(contrast: Contrast, comparison: Comparison, *, short: bool = False) -> tuple[str, ...]:
    """Write a contrast's figures as the columns of ``HEADERS``."""
    found, ratios = contrast.found, {name: _ratio(contrast, name) for name in ("prompt_tokens", "answer_tokens", "cost")}
    won = f"{found.wins}/{found.losses}" if found else "–"
    verdict = words(contrast, comparison.settings)
    if short:
        ratio = ratios["prompt_tokens"].partition(" ")[0]
        needs = about(contrast.needed).removesuffix(" cases") if contrast.word == "undecided" else "–"
        return str(contrast.n), span(contrast), p_value(contrast.corrected), won, ratio, VERDICTS[contrast.word], needs
    return (
        str(contrast.n),
        str(contrast.left),
        span(contrast),
        p_value(contrast.corrected),
        f"{won}/{found.ties}" if found else "–",
        *ratios.values(),
        "–" if contrast.detectable is None else f"{100 * contrast.detectable:.0f}",
        verdict,
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
    return text[1:] if not float(text) else text.replace("-", "−")


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
    """Say what was found, a paragraph a baseline. ``rows`` are those of the summary, by arm."""
    found = []
    for baseline in dict.fromkeys(contrast.baseline for contrast in comparison.contrasts):
        contrasts = [contrast for contrast in comparison.contrasts if contrast.baseline == baseline]
        parts = [_baseline(comparison, baseline, contrasts[0], rows.get(baseline), label)]
        for contrast in contrasts:
            ratio = contrast.ratios.get("prompt_tokens")
            cost = f" with {ratio.value:.2f} times its context tokens" if ratio else ""
            name = "now" if comparison.against else label(contrast.arm)
            parts.append(f"{name}: {span(contrast, 'points')}{cost}, {words(contrast, comparison.settings)}")
        text = ". ".join([parts[0], "; ".join(parts[1:])]) + "."
        shown = [contrast.detectable for contrast in contrasts if contrast.word == "undecided" and contrast.detectable]
        if shown:
            text += f" This design shows differences from about {100 * max(shown):.0f} points on."
        found.append(text)
    return found


def _baseline(comparison: Comparison, baseline: str, contrast: Contrast, row: Mapping[str, Any] | None, label: Label) -> str:
    score = comparison.settings.score
    did = PICKED.get(score, f"scored {score}")
    if comparison.against or row is None:
        share = "–" if isnan(contrast.theirs) else f"{100 * contrast.theirs:.0f} % of {contrast.n} cases"
        return f"{label(contrast.arm)}: {comparison.against or baseline} {did} in {share}"
    if not row["n"]:
        return f"{label(baseline)} (the baseline) has no answer"
    low, high = row.get(f"{score}_low", float("nan")), row.get(f"{score}_high", float("nan"))
    interval = "" if isnan(low) else f" ({100 * low:.0f}–{100 * high:.0f})"
    return f"{label(baseline)} (the baseline) {did} in {100 * row[score]:.0f} %{interval} of {row['n']} cases"


def reversals(comparison: Comparison, label: Label) -> list[str]:
    """Say which changes help one model and hurt another."""
    return [
        f"{label(found.better.arm)} gains {points(found.better.difference)} points where {label(found.worse.arm)} "
        f"gives {points(found.worse.difference)} (p {p_value(found.p)} that the models agree)"
        for found in comparison.reversals
    ]


def flips(contrast: Contrast, notes: Notes, *, most: int = FLIPS) -> list[str]:
    """Say where an arm and its baseline differ: by tag, by expected intent, and which cases."""
    if not contrast.flips:
        return []
    lines = []
    tallies = {"by tag": tally(contrast.flips, notes, "tags"), "by expected intent": tally(contrast.flips, notes, "expect")}
    for title, rows in tallies.items():
        if rows:
            lines.append(f"{title}: {', '.join(f'{name} +{up} −{down}' for name, up, down in rows[:8])}")
    won = [flip for flip in contrast.flips if flip.mine > flip.baseline]
    lost = [flip for flip in contrast.flips if flip.mine < flip.baseline]
    for title, kept in (("won", won), ("lost", lost)):
        if kept:
            more = f", and {len(kept) - most} more" if len(kept) > most else ""
            lines.append(f"{title}: {', '.join(f'{flip.dataset}::{flip.case}' for flip in kept[:most])}{more}")
    return lines


def confusions(confused: Sequence[tuple[str, str, int]], *, most: int = 8) -> str:
    """Write which intents were expected where others were chosen, the most frequent first."""
    shown = ", ".join(f"{wanted} → {got} {count}" for wanted, got, count in confused[:most])
    return shown + (f", and {len(confused) - most} more kinds" if len(confused) > most else "")
