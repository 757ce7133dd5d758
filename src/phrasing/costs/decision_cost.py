"""What decisions cost, before a model is asked: our count of prompts at a model's prices, without and with a prompt cache.

With a cache, the first prompt of a conversation finds what all prompts of its variant begin with: earlier conversations have left
it there. A later one finds, if that is more, what the prompt before it began with. That supposes that the provider still has it:
it depends on how soon the next prompt comes.

A provider keeps nothing shorter than a minimum, and some count in steps. Where writing to the cache has a price of its own, all
that wasn't found is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

from phrasing.analysis.usage import PER, RANGES, dollars
from phrasing.costs import estimate
from phrasing.costs.estimate import Kind
from phrasing.costs.prompt_cache import Prefixes, measure_prefixes
from phrasing.costs.tables import Table, View
from phrasing.models import prices
from phrasing.models.prices import Price
from phrasing.models.provider import provider_of
from phrasing.plan.resolve import Plan
from phrasing.records import Result
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers.tokenizer import Tokenizer
from phrasing.tokenizers.tool_rules import UNPUBLISHED, ToolRule
from phrasing.types import write_axes

STEPS = {"openai": 128, "azure": 128}
"""In what steps a provider counts what was found, by the first part of a model's id; the others count each token."""


@dataclass(frozen=True)
class Cost:
    """The mean decision: tokens of its prompt, those read from the cache and written to it, and of its answer; US dollars.

    ``answer`` is ``None`` where the price is that of the prompt alone, ``with_cache`` where cached tokens have no price.
    """

    cases: int
    prompt: float
    cached: float
    written: float
    answer: float | None
    dollars: float
    with_cache: float | None


def cost(found: Prefixes, price: Price, *, answer: float | None = None, step: int = 1) -> Cost:
    """Price the mean decision of a variant, with answers of so many tokens."""
    cached, written = [], []
    for sent in found.prompts:
        begins = max(sent.kept or 0, found.common or 0)
        cached.append(begins - begins % step if begins >= price.minimum else 0)
        written.append(sent.tokens - cached[-1] if price.written is not None and sent.tokens >= price.minimum else 0)
    prompt, read, wrote = fmean(sent.tokens for sent in found.prompts), fmean(cached), fmean(written)
    completion = answer or 0
    plain = prices.dollars(price, prompt=prompt, completion=completion)
    known = price.cached is not None
    kept = prices.dollars(price, prompt=prompt, cached=read, written=wrote, completion=completion) if known else None
    return Cost(len(found.prompts), prompt, read, wrote, answer, plain, kept)


def answers(results: Iterable[Result]) -> dict[Kind, float]:
    """Give the mean length of recorded answers, in tokens as their provider counts them, whichever models gave them."""
    lengths: dict[Kind, list[int]] = {}
    for result in results:
        if result.completion and result.completion.usage.completion is not None:
            lengths.setdefault(estimate.kind_of(result), []).append(result.completion.usage.completion)
    return {kind: fmean(found) for kind, found in lengths.items()}


# ---------------------------------------------------------------------------------------------- as tables

COST_HEADERS = ("prompt", "cached", "answer", f"$ per {PER:,}", "with cache", "saved")


def cost_cells(row: Cost, most: Cost | None = None) -> tuple[str, ...]:
    """Write a cost as the columns of ``COST_HEADERS``; ``most``: that of the upper ends of ranges, beside it."""
    return tuple("–".join(dict.fromkeys(ends)) for ends in zip(*(_cells(end) for end in (row, most or row)), strict=True))


def _cells(row: Cost) -> tuple[str, ...]:
    saved = "–" if row.with_cache is None or not row.dollars else f"{1 - row.with_cache / row.dollars:.0%}"
    return (
        f"{row.prompt:,.0f}",
        f"{row.cached:,.0f}",
        "–" if row.answer is None else f"{row.answer:,.0f}",
        dollars(row.dollars),
        "–" if row.with_cache is None else dollars(row.with_cache),
        saved.replace("-", "−"),
    )


def cost_view(
    resolved: Plan,
    tokenizers: Sequence[Tokenizer],
    label: Callable[[str], str],
    *,
    answered: Mapping[Kind, float],
    recorded: str,
) -> View:
    """Show what 1,000 decisions cost, a table for each model that has a price.

    ``answered`` is how long answers are, and ``recorded`` where that is from. They count where they are known for every variant:
    else variants wouldn't compare.
    """
    made = View([])
    models = list(resolved.models.values())
    priced = [(spec, price) for spec in models if (price := provider_of(spec.id).price(spec)) and not price.free]
    ranges = False
    for tokenizer in tokenizers if priced else ():
        measured: dict[ToolRule, dict[Kind, Prefixes]] = {}
        for spec, price in priced:
            # without tools, all models are counted alike
            rule = resolved.tool_rules[spec.label] if estimate.offers(resolved) else UNPUBLISHED
            if rule not in measured:
                measured[rule] = measure_prefixes(resolved, tokenizer.under(rule))
            variants = measured[rule]
            answered = answered if answered.keys() >= variants.keys() else {}
            step = STEPS.get(spec.id.partition("/")[0], 1)
            rows = []
            for kind, variant in variants.items():
                ends = [cost(end, price, answer=answered.get(kind), step=step) for end in (variant, variant.most)]
                rows.append((label(write_axes(kind)), *cost_cells(*ends)))
                made.records.append(
                    {**estimate.axes(write_axes(kind)), "model": spec.label, "tokenizer": tokenizer.name, **asdict(ends[0])}
                    | {"dollars_most": ends[1].dollars, "with_cache_most": ends[1].with_cache}
                )
                ranges |= ends[0].prompt != ends[1].prompt
            title = f"{spec.label}, which caches no less than {price.minimum:,} tokens"
            title += f", by {tokenizer.name}" if len(tokenizers) > 1 else ""
            made.tables.append(Table(("variant", *COST_HEADERS), rows, title))
    legend = _legend(recorded if answered else "")
    return replace(made, notes=[*unpriced(models), *([RANGES] if ranges else []), *([legend] if priced else [])])


def _legend(recorded: str) -> str:
    answers = (
        f" and for answers as long as those recorded in {recorded}"
        if recorded
        else " alone: not every variant has recorded answers"
    )
    return (
        f"US dollars by {prices.source()}, for prompts{answers}. prompt: tokens, the mean of a case; cached: what of it a cache "
        "can have that keeps all for as long as a conversation lasts; saved: by the cache. Samples are left out of account."
    )


def unpriced(models: Sequence[ModelSpec]) -> Iterator[str]:
    """Say which models have no price, and why."""
    found = {spec.label: provider_of(spec.id).price(spec) for spec in models}
    free = [label for label, price in found.items() if price and price.free]
    if free:
        yield f"{', '.join(free)}: costs nothing to ask, so a decision has no price. Price another model: -m openai/gpt-4.1-mini"
    unknown = [label for label, price in found.items() if price is None]
    if unknown:
        yield f"{', '.join(unknown)}: the price isn't known; give it one in the suite."
