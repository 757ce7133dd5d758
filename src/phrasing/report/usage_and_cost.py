"""What decisions took and cost, as text: our count of prompts beside the provider's, and the price of decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan

from phrasing.analysis.report_data import Terms
from phrasing.analysis.usage import PER, RANGES, Bill, dollars
from phrasing.report.columns import DASH, Column, Table, variant
from phrasing.report.text import number, together

OFF = 0.05
"""From this share of the provider's count on, a difference is as large as what formats save: the reader is told."""


AS_JSON = (
    "This run counted tools and enforced schemas as compact JSON, whatever the provider shows of them; "
    "phrasing run SUITE --replay RUN counts them by each provider's rule."
)
"""What is said of a run's counts that are of the old kind."""


def tables(
    rows: Sequence[Bill], label: Callable[[str], str], tokenizer: str, words: Terms, *, as_json: bool = False
) -> list[Table[Bill]]:
    """Make a table of tokens where usage is known, and one of prices where anything cost money.

    ``words`` say what is right and what is priced. ``as_json``: tools were counted as compact JSON.
    """
    made = []
    if any(row.n for row in rows):
        caption = f"Tokens of {words.whose} by our count and the provider's"
        legend = [_legend(rows, tokenizer), *([AS_JSON] if as_json else [])]
        made.append(Table(_token_columns(label), rows, caption, legend, _reading(rows, label)))
    if any(row.cost > 0 for row in rows):
        prices = (
            "US dollars as recorded with the answers; what failed attempts cost isn't known. "
            f"The interval is that of the share of {words.such}."
        )
        made.append(Table(_price_columns(label, words), rows, f"Cost of {words.unit}", [prices]))
    return made


def _column(key: str, title: str, cell: Callable[[Bill], str]) -> Column[Bill]:
    return Column(key, title, cell, title, link=lambda row: {"variant": row.variant})


def _token_columns(label: Callable[[str], str]) -> list[Column[Bill]]:
    return [
        variant(label, lambda row: row.variant),
        _column("n", "n", lambda row: str(row.n)),
        _column("our_tokens", "our count", _ours),
        _column("their_tokens", "provider's", lambda row: number(row.theirs)),
        _column("difference", "difference", _difference),
        _column("cached", "cached", lambda row: number(row.cached)),
        _column("reasoning", "reasoning", lambda row: number(row.reasoning)),
        _column("answer", "answer", lambda row: number(row.answer)),
    ]


def _price_columns(label: Callable[[str], str], words: Terms) -> list[Column[Bill]]:
    return [
        variant(label, lambda row: row.variant),
        _column("cost", f"$ per {PER:,} {words.unit}", lambda row: dollars(row.cost)),
        _column("cost_correct", f"$ per {PER:,} {words.price} (95 %)", _price),
    ]


def _ours(row: Bill) -> str:
    if row.range:
        return f"{number(row.ours)}–{number(row.ours_most)}"
    return ("" if row.exact or isnan(row.ours) else "≈") + number(row.ours)


def _difference(row: Bill) -> str:
    if row.range and row.least == row.most == 0:
        return "within"
    one = isnan(row.difference) or row.least == row.most
    spread = "" if one else f" ({_signed(row.least)} to {_signed(row.most)})"
    return _signed(row.difference, 0 if one else 1) + spread


def _price(row: Bill) -> str:
    """Write the price of correct decisions. A decision's cost counts as known: it varies far less than being correct."""
    if isnan(row.cost) or not row.right > 0:
        return DASH
    ends = f" ({dollars(row.cost / row.high)}–{dollars(row.cost / row.low)})" if row.cost and row.low > 0 else ""
    return dollars(row.cost / row.right) + ends


def _legend(rows: Sequence[Bill], tokenizer: str) -> str:
    rule = "≈, an estimate: what the chat template adds, and tools, are counted by a rule"
    rule += f"; {RANGES.removesuffix('.')}" if any(row.range for row in rows) else ""
    how = "exact" if all(row.exact for row in rows) else rule
    return (
        f"Means over n cases whose usage the provider gave. our count: the prompt as {tokenizer} counts it ({how}); provider's: "
        "as the provider counts it, cached tokens included; difference: our count less the provider's, the mean, and the "
        "smallest and the largest of an answer; reasoning: a part of the answer; –: the provider doesn't say."
    )


def _reading(rows: Sequence[Bill], label: Callable[[str], str]) -> list[str]:
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


def _names(rows: Sequence[Bill], of: Sequence[Bill], label: Callable[[str], str]) -> str:
    return together([label(row.variant) for row in rows], len(of))


def _signed(value: float, digits: int = 0) -> str:
    if isnan(value):
        return DASH
    text = f"{value:+,.{digits}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else "0"
