"""Our count of prompts beside the provider's, and what a decision costs: from a run's results alone, a row a variant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean
from typing import TYPE_CHECKING

from phrasing.analysis import terms as wording
from phrasing.records import Result
from phrasing.stats.means import proportion
from phrasing.types import Usage

if TYPE_CHECKING:
    from phrasing.analysis.tables import Notes

OFF = 0.05
"""From this share of the provider's count on, a difference is as large as what formats save: the reader is told."""

PER = 1000
"""How many decisions a price is given for."""

TOKENS = ("n", "ours", "theirs", "ours − theirs", "cached", "reasoning", "answer")
PRICES = ("$ per {:,} decisions", "$ per {:,} {} (95 %)")

Block = tuple[tuple[str, ...], list[tuple[str, ...]], list[str]]
"""A table (its headers and rows of text) and the paragraphs below it."""

Label = Callable[[str], str]
"""How a report names a variant."""

Cell = tuple[str, str]
"""A dataset and a case."""

Value = Callable[[Result], float | None]


@dataclass(frozen=True)
class Bill:
    """What a variant's decisions cost. Means are of a case (repeats first, then cases, then datasets), NaN where unknown.

    Tokens are those of ``n`` cases with an answer whose usage the provider gave: ``ours`` is our own count of the prompt, which
    is ``exact`` or an estimate, ``theirs`` the provider's; ``difference`` is ours less theirs, from ``least`` to ``most`` over
    all answers. ``cached``, ``reasoning`` and ``answer`` are means of the answers that say. ``cost`` is US dollars a decision,
    ``right`` the share of right ones (score ``step``) of those with a known cost, from ``low`` to ``high`` (95 %).
    """

    variant: str
    exact: bool
    n: int
    ours: float
    theirs: float
    difference: float
    least: float
    most: float
    cached: float
    reasoning: float
    answer: float
    cost: float
    right: float
    low: float
    high: float

    @property
    def always(self) -> int | None:
        """The difference, where it is the same in several cases."""
        return int(self.least) if self.n > 1 and self.least == self.most else None


def reconcile(results: Iterable[Result], cases: Notes, *, variants: Iterable[str], exact: bool = False) -> list[Bill]:
    """Hold our count of prompts against the provider's usage: a row a variant that has results, in the order of ``variants``.

    ``cases`` tell which ones are of one group. ``exact`` says that our count knows the vocabulary and the chat template of the
    models that were asked.
    """
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.variant, []).append(result)
    return [_bill(variant, found[variant], cases, exact=exact) for variant in variants if variant in found]


def _bill(variant: str, results: Sequence[Result], cases: Notes, *, exact: bool) -> Bill:
    billed = [result for result in results if _usage(result).prompt is not None]
    costed = [result for result in results if _cost(result) is not None]
    differences = [_difference(result) for result in billed]
    right, low, high = _share(_by_case(costed, _right), cases)
    return Bill(
        variant=variant,
        exact=exact,
        n=len(_by_case(billed, _difference)),
        ours=mean(billed, lambda result: result.tokens.total),
        theirs=mean(billed, lambda result: _usage(result).prompt),
        difference=mean(billed, _difference),
        least=min(differences, default=nan),
        most=max(differences, default=nan),
        cached=mean(billed, lambda result: _usage(result).cached),
        reasoning=mean(billed, lambda result: _usage(result).reasoning),
        answer=mean(billed, lambda result: _usage(result).completion),
        cost=mean(costed, _cost),
        right=right,
        low=low,
        high=high,
    )


def _usage(result: Result) -> Usage:
    return result.completion.usage if result.completion else Usage()


def _difference(result: Result) -> int:
    return result.tokens.total - (_usage(result).prompt or 0)


def _cost(result: Result) -> float | None:
    return result.completion.cost if result.completion else None


def _right(result: Result) -> float | None:
    return result.scores["step"].value if "step" in result.scores else None


def _by_case(results: Iterable[Result], value: Value) -> dict[Cell, float]:
    """Average the known values of a case's repeats."""
    repeats: dict[Cell, list[float]] = {}
    for result in results:
        known = value(result)
        if known is not None:
            repeats.setdefault((result.dataset, result.case), []).append(known)
    return {cell: fmean(values) for cell, values in repeats.items()}


def mean(results: Iterable[Result], value: Value) -> float:
    """Average repeats, then cases, then datasets with equal weight."""
    datasets: dict[str, list[float]] = {}
    for (dataset, _), found in _by_case(results, value).items():
        datasets.setdefault(dataset, []).append(found)
    return fmean(map(fmean, datasets.values())) if datasets else nan


def _share(right: Mapping[Cell, float], cases: Notes) -> tuple[float, float, float]:
    """Average a score, with its interval over groups of cases."""
    if not right:
        return nan, nan, nan
    cells = sorted(right)  # the order of answers mustn't show, not even in rounding
    notes = [cases.get(dataset, {}).get(case) for dataset, case in cells]
    groups = [(note and note.group) or case for note, (_, case) in zip(notes, cells, strict=True)]
    return proportion([right[cell] for cell in cells], groups, [dataset for dataset, _ in cells])


# ---------------------------------------------------------------------------------------------- text


def section(rows: Sequence[Bill], label: Label, tokenizer: str, *, agreement: bool = False) -> list[Block]:
    """Write what a report says: a table of tokens where usage is known, one of prices where anything cost money.

    ``agreement``: labels are observed, so a decision isn't right but agrees with a logged agent.
    """
    blocks: list[Block] = []
    if any(row.n for row in rows):
        told = [_legend(rows, tokenizer), *_reading(rows, label)]
        blocks.append((("variant", *TOKENS), [(label(row.variant), *_tokens(row)) for row in rows], told))
    if any(row.cost > 0 for row in rows):
        price = wording.of(agreement).price
        headers = ("variant", *(header.format(PER, price) for header in PRICES))
        kind, such = ("that agree with the logged agent", "such") if agreement else ("right", "right")
        told = [
            "US dollars as recorded with the answers; what failed attempts cost isn't known. "
            f"{kind}: score step; the interval is that of the share of {such} decisions."
        ]
        blocks.append((headers, [(label(row.variant), *_prices(row)) for row in rows], told))
    return blocks


def _tokens(row: Bill) -> tuple[str, ...]:
    one = isnan(row.difference) or row.least == row.most
    spread = "" if one else f" ({_signed(row.least)} to {_signed(row.most)})"
    return (
        str(row.n),
        ("" if row.exact or isnan(row.ours) else "≈") + _number(row.ours),
        _number(row.theirs),
        _signed(row.difference, 0 if one else 1) + spread,
        *map(_number, (row.cached, row.reasoning, row.answer)),
    )


def _legend(rows: Sequence[Bill], tokenizer: str) -> str:
    rule = "≈, an estimate: tools and what the chat template adds are counted by a rule"
    how = "exact" if all(row.exact for row in rows) else rule
    return (
        f"Tokens, means over n cases whose usage the provider gave. ours: the prompt as {tokenizer} counts it ({how}); theirs: "
        "as the provider does, cached tokens included; ours − theirs: the mean, and the smallest and the largest of an answer; "
        "reasoning: a part of the answer; –: not said."
    )


def _reading(rows: Sequence[Bill], label: Label) -> list[str]:
    """Say what differences mean where they mean something: those that never vary, and those as large as a saving."""
    said = []
    for k in sorted({row.always for row in rows if row.always is not None}):
        names = _names([row for row in rows if row.always == k], rows, label)
        always = f"always {abs(k):,} token{'s' * (abs(k) > 1)} {'more' if k > 0 else 'less'} than the provider's"
        said.append(f"{names}: our count is {always if k else 'that of the provider, to the token'}.")
    far = [row for row in rows if abs(row.difference) >= OFF * row.theirs]
    if far:
        shares = sorted(round(100 * abs(row.difference) / row.theirs) for row in far)
        span = " to ".join(map(str, dict.fromkeys((shares[0], shares[-1]))))
        said.append(f"{_names(far, rows, label)}: our count is off by {span} %; compare by the provider's.")
    return [" ".join(said)] if said else []


def _names(rows: Sequence[Bill], of: Sequence[Bill], label: Label) -> str:
    return f"All {len(of)} variants" if 1 < len(rows) == len(of) else ", ".join(label(row.variant) for row in rows)


def _prices(row: Bill) -> tuple[str, ...]:
    """Write the price of decisions. A decision's cost counts as known for the interval: it varies far less than being right."""
    if isnan(row.cost) or not row.right > 0:
        return dollars(row.cost), "–"
    ends = f" ({dollars(row.cost / row.high)}–{dollars(row.cost / row.low)})" if row.cost and row.low > 0 else ""
    return dollars(row.cost), dollars(row.cost / row.right) + ends


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:,.0f}"


def _signed(value: float, digits: int = 0) -> str:
    if isnan(value):
        return "–"
    text = f"{value:+,.{digits}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else "0"


def dollars(value: float) -> str:
    """Write the price of ``PER`` decisions, to three digits."""
    if isnan(value):
        return "–"
    price = float(f"{PER * value:.2e}")
    return f"{price:,.{max(0, 2 - math.floor(math.log10(price)))}f}" if price else "0"
