"""The talk, claim by claim: what recorded answers say of each, as the Markdown that stands between the marks of docs/talk.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from index import anchor

import phrasing
from phrasing.analysis.compare import Contrast
from phrasing.analysis.report_data import Report
from phrasing.analysis.verdict import Verdict
from phrasing.report import text
from phrasing.runs import run_folders
from phrasing.stats.power import about
from phrasing.types import read_axes

OPEN = (Verdict.INCONCLUSIVE, Verdict.UNTESTED)
MODEL = "openai/gpt-4.1-mini"
"""A model in the place of which a reader puts another."""


@dataclass(frozen=True)
class Claim:
    """A claim of the talk: the name of its marks, its heading on the page, and the suites that measure it.

    The first suite that is recorded is shown. ``outputs`` are the output modes whose variants the claim is about, where it isn't
    about all of them.
    """

    name: str
    title: str
    suites: tuple[str, ...]
    outputs: frozenset[str] | None = None

    def suite(self, recorded: Collection[str]) -> str:
        """Name the suite that is shown: the last one where none is recorded."""
        return next((name for name in self.suites if name in recorded), self.suites[-1])

    def contrasts(self, report: Report) -> list[Contrast]:
        """List what the claim is about of a report's comparisons."""
        found = report.comparison.contrasts
        return [one for one in found if self.outputs is None or read_axes(one.variant)["output"] in self.outputs]


CLAIMS = (
    Claim("prompts", "Own your prompts", ("prompts",)),
    Claim("context", "Own your context", ("study/phrasing", "formats")),
    Claim("tools", "Tools are just structured outputs", ("outputs",), frozenset({"tool"})),
    Claim("first", "The first token matters", ("study/enforcement", "outputs"), frozenset({"prompted", "native", "native_bare"})),
    Claim("humans", "Contact humans with tools", ("human",)),
    Claim("errors", "Compact errors into the context", ("errors",)),
    Claim("focus", "Small, focused agents", ("study/steps", "tools")),
    Claim("long", "Long contexts lose", ("study/noise", "noise")),
    Claim("channel", "Trigger from anywhere", ("channel",)),
)


def parts(root: Path, reports: Mapping[str, Report] | None = None) -> dict[str, str]:
    """Write each part of the page, by the name of its marks. ``reports`` are those of the recordings, where they are known."""
    recordings = root / run_folders.RECORDINGS
    recorded = run_folders.recorded(recordings) if reports is None else list(reports)
    suites = {claim: claim.suite(recorded) for claim in CLAIMS}
    if reports is None:
        reports = {name: phrasing.load(recordings / name).report() for name in {*suites.values()} & {*recorded}}
    return {
        "claims": "\n".join(overview(suites, reports)),
        **{claim.name: "\n".join(shown(claim, suite, reports.get(suite))) for claim, suite in suites.items()},
    }


# ---------------------------------------------------------------------------------------------- all claims


def overview(suites: Mapping[Claim, str], reports: Mapping[str, Report]) -> Iterable[str]:
    """Write the table of all claims, and who answered."""
    yield from ("| claim | suite | what came out | how sure |", "| --- | --- | --- | --- |")
    for claim, suite in suites.items():
        report = reports.get(suite)
        contrasts = claim.contrasts(report) if report else []
        said = (came_out(contrasts, report), how_sure(contrasts, report)) if report else ("not asked yet", "–")
        cells = (f"[{claim.title}](#{anchor(claim.title)})", f"[{suite}](../evals/{suite}.yaml)", *map(text.escape, said))
        yield f"| {' | '.join(cells)} |"
    models = sorted({model for suite in {*suites.values()} & reports.keys() for model in reports[suite].record.models})
    if models:
        yield from ("", f"Who answered: {text.escape(', '.join(models))}.")


def came_out(contrasts: Sequence[Contrast], report: Report) -> str:
    """Say what was found: each variant that has a verdict, and all together that have none."""
    settings = report.comparison.settings
    told = [
        f"{report.label(one.variant)} {text.conclusion(one, settings)}: {text.span(one, 'points')}{_cost([one])}"
        for one in contrasts
        if one.verdict not in OPEN
    ]
    unsure = [one for one in contrasts if one.verdict in OPEN]
    if unsure:
        differences = sorted(one.difference for one in unsure)
        told.append(
            f"{len(unsure)} of {len(contrasts)} inconclusive: {_ends(map(text.points, differences))} points{_cost(unsure)}"
        )
    return "; ".join(told)


def how_sure(contrasts: Sequence[Contrast], report: Report) -> str:
    """Say on how many cases that rests, what they could have shown, and whether the model does the task at all."""
    said = [f"{_ends(map(str, sorted(one.n for one in contrasts)))} cases a comparison"]
    p = sorted(one.corrected for one in contrasts if one.verdict in (Verdict.BETTER, Verdict.WORSE))
    said += [f"p {_ends(map(text.p_value, p))}, corrected"] if p else []
    unsure = [one for one in contrasts if one.verdict in OPEN]
    if unsure:
        least = [one.detectable for one in unsure]
        if all(least):
            said.append(f"only a difference above {100 * max(filter(None, least)):.0f} points would show")
        else:
            said.append("hardly a difference would show")
        needed = [about(one.needed) for one in sorted(unsure, key=lambda one: one.needed or inf)]
        said.append(f"would need {_ends(dict.fromkeys(needed))}".replace(" cases to about ", " to "))
    rows = {row["variant"]: row for row in report.variants}
    asked = [rows[name] for name in dict.fromkeys(name for one in contrasts for name in (one.variant, one.baseline))]
    by_chance = sum(not row["intent_low"] > row["random"] for row in asked)
    said += [f"{by_chance} of {len(asked)} variants can't be told from picking at random"] if by_chance else []
    return "; ".join(said)


# ---------------------------------------------------------------------------------------------- one claim


def shown(claim: Claim, suite: str, report: Report | None) -> Iterable[str]:
    """Write what was asked for a claim, what came out of it, what must be known of it, and how to ask another model."""
    if report:
        yield from _asked(claim, suite, report)
    else:
        yield from (f"[evals/{suite}.yaml](../evals/{suite}.yaml) isn't asked yet.", "")
    yield from ("```", f"phrasing run evals/{suite}.yaml -m {MODEL}", "```")


def _asked(claim: Claim, suite: str, report: Report) -> Iterable[str]:
    contrasts, settings = claim.contrasts(report), report.comparison.settings
    models = ", ".join(sorted(report.record.models))
    yield f"[evals/{suite}.yaml](../evals/{suite}.yaml) asks: *{text.escape(report.description)}*"
    yield f"Answered by {text.escape(models)}, {report.record.trials} times: the"
    yield f"[whole report](../reports/reference/{suite}/report.md)."
    yield ""
    rows = [
        (
            report.label(one.variant),
            report.label(one.baseline),
            str(one.n),
            text.span(one),
            text.ratio(one, "prompt_tokens"),
            text.conclusion(one, settings),
        )
        for one in contrasts
    ]
    points = f"points ({100 * settings.confidence:g} %)"
    yield from text.table(("variant", "baseline", "cases", points, "context tokens ×", "verdict"), rows)
    yield from ("", f"To know of the whole suite: {text.escape(' '.join(text.caveats(report)))}", "")


def _cost(contrasts: Sequence[Contrast]) -> str:
    ratios = sorted(found.value for one in contrasts if (found := one.ratios.get("prompt_tokens")))
    return f", {_ends(f'{ratio:.2f}' for ratio in ratios)} times the context tokens" if ratios else ""


def _ends(texts: Iterable[str]) -> str:
    """Write texts in order: the one, or from the first to the last."""
    first, *_, last = 2 * list(texts)
    return " to ".join(dict.fromkeys([first, last]))
