"""The table of models of one id under several parameters, such as efforts of reasoning: what each gets right and takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import NamedTuple

from pydantic import JsonValue

from phrasing import scores
from phrasing.analysis.report_data import Report, Row
from phrasing.analysis.usage import PER, Bill, dollars
from phrasing.report.columns import DASH, Column, Table, variant
from phrasing.report.text import number, percent
from phrasing.suite.parameters import shown
from phrasing.types import AXES

EFFORTS = ("none", "disabled", "minimal", "low", "medium", "high", "xhigh", "max")
"""Values that have an order which isn't that of the alphabet."""


class _Varied(NamedTuple):
    """A variant with the parameters of its model, and what its answers took, if that is known."""

    row: Row
    parameters: dict[str, JsonValue]
    bill: Bill | None

    @property
    def name(self) -> str:
        return str(self.row["variant"])


def table(part: Report, label: Callable[[str], str]) -> Table[_Varied]:
    """Make the table: a row a variant whose model is there under other parameters too, from the least effort to the most."""
    bills = {bill.variant: bill for bill in part.bills}
    rows = [
        _Varied(row, part.varied[row["model"]], bills.get(row["variant"])) for row in part.variants if row["model"] in part.varied
    ]
    names = list(dict.fromkeys(name for row in rows for name in row.parameters))

    def parameter(name: str) -> Column[_Varied]:
        def cell(row: _Varied) -> str:
            value = row.parameters.get(name)
            return DASH if value is None else shown(value)

        return Column(name, name, cell, name)

    def link(row: _Varied) -> dict[str, str]:
        return {"variant": row.name}

    correct = scores.titles(scores.CORRECT, agreement=part.agreement)
    columns: list[Column[_Varied]] = [
        variant(label, lambda row: row.name),
        Column("model", "model", lambda row: str(part.record.ids[row.row["model"]])),
        *map(parameter, names),
        Column("correct", correct.column, lambda row: percent(row.row["step"]), correct.short, link=link),
        Column(
            "reasoning", "reasoning tokens", lambda row: number(row.bill.reasoning if row.bill else nan), "reasoning", link=link
        ),
        Column("answer", "answer tokens", lambda row: number(row.row["answer_tokens"]), "answer", link=link),
        Column("cost", f"$ per {PER:,} decisions", lambda row: dollars(row.bill.cost if row.bill else nan), "$", link=link),
        Column("seconds", "seconds", lambda row: number(row.row["seconds"], 1), link=link),
    ]
    legend = ["reasoning tokens are a part of the answer's; –: the provider doesn't say, or the model has no such parameter."]
    return Table(columns, _ordered(part, rows, names), "Models of one id under other parameters", legend if rows else [])


def _ordered(part: Report, rows: Sequence[_Varied], names: Sequence[str]) -> list[_Varied]:
    """Put models of one id together, asked in the same way, in the order of their parameters."""
    ways = {way: place for place, way in enumerate(dict.fromkeys(map(_way, rows)))}
    return sorted(
        rows,
        key=lambda row: (
            str(part.record.ids[row.row["model"]]),
            ways[_way(row)],
            [_rank(row.parameters.get(name)) for name in names],
        ),
    )


def _way(row: _Varied) -> tuple[str, ...]:
    return tuple(str(row.row.get(axis)) for axis in AXES if axis != "model")


def _rank(value: JsonValue) -> tuple[int, float, str]:
    if value is None:
        return 0, 0, ""
    if isinstance(value, int | float):
        return 1, value, ""
    said = shown(value)
    return (2, EFFORTS.index(said), "") if said in EFFORTS else (3, 0, said)
