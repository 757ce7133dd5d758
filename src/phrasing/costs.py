"""What decisions cost, before a model is asked: our count of prompts at a model's prices, without and with a prompt cache.

With a cache, the first prompt of a conversation finds what all prompts of its arm begin with: earlier conversations have left it
there. A later one finds, if that is more, what the prompt before it began with. That supposes that the provider still has it: it
depends on how soon the next prompt comes.

A provider keeps nothing shorter than a minimum, and some count in steps. Where writing to the cache has a price of its own, all
that wasn't found is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from phrasing import bill, prices
from phrasing.bill import PER, Block
from phrasing.prefixes import KIND, Kind, Prefixes, kind_of
from phrasing.prices import Price
from phrasing.records import Result
from phrasing.report import labels
from phrasing.suite import LOCAL, ModelSpec

MINIMUM = 1024
"""The least that OpenAI and many others cache, in tokens; some models need 2,048 or 4,096: docs/tokens.md."""

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


def cost(found: Prefixes, price: Price, *, answer: float | None = None, minimum: int = MINIMUM, step: int = 1) -> Cost:
    """Price the mean decision of an arm, with answers of so many tokens."""
    cached, written = [], []
    for sent in found.prompts:
        begins = max(sent.kept or 0, found.common or 0)
        cached.append(begins - begins % step if begins >= minimum else 0)
        written.append(sent.tokens - cached[-1] if price.written is not None and sent.tokens >= minimum else 0)
    prompt, read, wrote = fmean(sent.tokens for sent in found.prompts), fmean(cached), fmean(written)
    fresh = prompt - read - wrote
    completion = answer or 0
    plain = prices.dollars(price, prompt=prompt, completion=completion)
    kept = None
    if price.cached is not None:
        kept = prices.dollars(price, prompt=fresh, cached=read, written=wrote, completion=completion)
    return Cost(len(found.prompts), prompt, read, wrote, answer, plain, kept)


def answers(results: Iterable[Result]) -> dict[Kind, float]:
    """Give the mean length of recorded answers, in tokens as their provider counts them, whichever models gave them."""
    lengths: dict[Kind, list[int]] = {}
    for result in results:
        if result.completion and result.completion.usage.completion is not None:
            lengths.setdefault(kind_of(result), []).append(result.completion.usage.completion)
    return {kind: fmean(found) for kind, found in lengths.items()}


Costs = Mapping[tuple[Kind, str], Cost]
"""Costs by kind of arm and a model's label."""


def costs(
    arms: Mapping[Kind, Prefixes], models: Iterable[ModelSpec], answered: Mapping[Kind, float], *, minimum: int = MINIMUM
) -> Costs:
    """Price every arm under every model that costs something, and whose price is known.

    Answers count where they are recorded for every arm: else arms wouldn't compare.
    """
    counted = answered if answered.keys() >= arms.keys() else {}
    found: dict[tuple[Kind, str], Cost] = {}
    for spec in models:
        price = prices.of(spec)
        if price is None or spec.id.startswith(LOCAL):
            continue
        step = STEPS.get(spec.id.partition("/")[0], 1)
        for kind, arm in arms.items():
            found[kind, spec.label] = cost(arm, price, answer=counted.get(kind), minimum=minimum, step=step)
    return found


# ---------------------------------------------------------------------------------------------- as tables

HEADERS = ("prompt", "cached", "answer", f"$ per {PER:,}", "with cache", "saved")


def cells(row: Cost) -> tuple[str, ...]:
    """Write a cost as the columns of ``HEADERS``."""
    saved = "–" if row.with_cache is None or not row.dollars else f"{1 - row.with_cache / row.dollars:.0%}"
    return (
        f"{row.prompt:,.0f}",
        f"{row.cached:,.0f}",
        "–" if row.answer is None else f"{row.answer:,.0f}",
        bill.dollars(row.dollars),
        "–" if row.with_cache is None else bill.dollars(row.with_cache),
        saved.replace("-", "−"),
    )


def tables(found: Costs, *, tokenizer: str, recorded: str, minimum: int = MINIMUM) -> list[Block]:
    """Make a table of arms for each model, and the lines below the last. ``recorded`` says where answers are from."""
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    named = labels([",".join((*kind, "")) for kind in kinds])
    blocks: list[Block] = []
    for model in dict.fromkeys(model for _, model in found):
        rows = [(name, *cells(found[kind, model])) for kind, name in zip(kinds, named.values(), strict=True)]
        blocks.append(((model, *HEADERS), rows, []))
    if blocks:
        blocks[-1][2].append(
            f"US dollars by {prices.source()}, for prompts{_with_answers(found, recorded)}. prompt: tokens by {tokenizer}, the "
            "mean of a case; cached: what of it a cache can have that keeps all for as long as a conversation lasts, and nothing "
            f"below {minimum:,} tokens; saved: by the cache."
        )
    return blocks


def _with_answers(found: Costs, recorded: str) -> str:
    if any(row.answer is not None for row in found.values()):
        return f" and for answers as long as those recorded in {recorded}"
    return " alone: not for every arm answers are recorded"


def records(found: Costs, tokenizer: str) -> list[dict[str, str | float | None]]:
    """Give the costs as rows by column, for a file."""
    return [
        {**dict(zip(KIND, kind, strict=True)), "model": model, "tokenizer": tokenizer, **asdict(row)}
        for (kind, model), row in found.items()
    ]


def unpriced(models: Sequence[ModelSpec]) -> Iterator[str]:
    """Say which models have no price, and why."""
    local = [spec.label for spec in models if spec.id.startswith(LOCAL)]
    if local:
        yield f"{', '.join(local)}: runs here, so a decision has no price. Price another model: -m openai/gpt-4.1-mini"
    unknown = [spec.label for spec in models if not spec.id.startswith(LOCAL) and prices.of(spec) is None]
    if unknown:
        yield f"{', '.join(unknown)}: the price isn't known; give it one in the suite."
