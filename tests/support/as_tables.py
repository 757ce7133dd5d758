"""Records of logs written as tables: a row for each record, in the ways in which exports write what isn't a text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import parquet


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


CELLS: dict[str, Callable[[Any], str]] = {
    "JSON": _json,
    "JSON, also of texts": json.dumps,
    "as Python prints it": lambda value: value if isinstance(value, str) else "" if value is None else str(value),
}


def as_csv(records: list[dict[str, Any]], *, cell: str = "JSON", delimiter: str = ",", end: str = "\n") -> str:
    """Write records as CSV, with all their keys as columns."""
    names = list(dict.fromkeys(name for record in records for name in record))
    made = io.StringIO()
    writer = csv.writer(made, delimiter=delimiter, lineterminator=end)
    writer.writerow(names)
    writer.writerows([[CELLS[cell](record[name]) if name in record else "" for name in names] for record in records])
    return made.getvalue()


def as_parquet(records: list[dict[str, Any]], *, typed: bool = False) -> bytes:
    """Write records as Parquet, with JSON in texts, or ``typed``: as lists and objects, which not all values can be."""
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {
        name: [record.get(name) if typed or record.get(name) is None else _json(record[name]) for record in records]
        for name in names
    }
    made = io.BytesIO()
    parquet.write_table(pa.table(columns), made)
    return made.getvalue()
