"""What the questions of the study (docs/study.md) cost on models that many have a key for: the table of docs/your-model.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from study import PRIMARY

import phrasing
from phrasing.costs.estimate import Estimate, estimates
from phrasing.plan.resolve import lay_out
from phrasing.plan.selection import Selection
from phrasing.report.text import table

PAGE = Path("docs", "your-model.md")

MODELS = (
    "openai/gpt-4.1-mini",
    "openai/gpt-5-mini",
    "anthropic/claude-haiku-4-5",
    "gemini/gemini-2.5-flash",
    "together_ai/Qwen/Qwen2.5-7B-Instruct-Turbo",
)
"""Models of four providers, and one with open weights that is served; the price map knows them all."""


def parts(root: Path) -> dict[str, str]:
    """Write each part of the page, by the name of its marks."""
    found = {name: list(costs(root, name)) for name in PRIMARY}
    (limit,) = {each.limit for listed in found.values() for each in listed}
    source = (
        f"Prices are those of litellm {version('litellm')}. Answers count as long as their limit of {limit} tokens;\n"
        "shorter ones cost less. Where a provider doesn't publish how it shows models an enforced schema, tokens are a range."
    )
    calls = table(("suite", "calls", "prompt tokens"), _sizes(found))
    dollars = table(("suite", *MODELS), _dollars(found))
    return {"sizes": "\n".join(calls), "dollars": "\n".join([*dollars, "", source])}


def costs(root: Path, name: str) -> Iterator[Estimate]:
    """Say what a suite of the study costs on each of the models, as its dry run does."""
    yield from estimates(lay_out(phrasing.load_suite(root / "evals" / "study" / f"{name}.yaml"), Selection(models=MODELS)))


def _sizes(found: dict[str, list[Estimate]]) -> Iterator[Sequence[str]]:
    for name, listed in found.items():
        ends = min(each.tokens[0] for each in listed), max(each.tokens[1] for each in listed)
        yield name, f"{listed[0].calls:,}", " to ".join(dict.fromkeys(f"{end:,}" for end in ends))


def _dollars(found: dict[str, list[Estimate]]) -> Iterator[Sequence[str]]:
    for name, listed in found.items():
        yield name, *(_cents(*each.dollars) if each.dollars else "?" for each in listed)
    totals = [[each.dollars for each in column if each.dollars] for column in zip(*found.values(), strict=True)]
    yield "all", *(_cents(*map(sum, zip(*column, strict=True))) for column in totals)


def _cents(least: float, most: float) -> str:
    return " to ".join(dict.fromkeys((f"{least:.2f}", f"{most:.2f}")))
