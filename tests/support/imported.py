"""Records of logs made into cases, and what each log of the conversation "where is it?" has to become."""

from __future__ import annotations

import json
from typing import Any

from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from phrasing.types import LABELS


def made(
    *records: Any, importer: str | None = None, file: str = "t.jsonl", **options: Any
) -> tuple[list[dict[str, Any]], ImportSummary]:
    """Make cases of a file's records, and the summary of what became of them."""
    account = ImportSummary()
    entries = [(f"{file}:{number}", record) for number, record in enumerate(records, start=1)]
    cases = make_cases(entries, Options(**options), account, importer=importer)
    return [json.loads(case.line) for case in cases], account


def labels(line: dict[str, Any]) -> dict[str, Any]:
    """Give the labels of a case by their key."""
    return {key: line[key] for key in LABELS if key in line}


def the_case(record: Any) -> tuple[dict[str, Any], ImportSummary]:
    """Make the one case of a call that answered "where is it?" after it had looked, and hold what all ways to log it share."""
    ((line,), account) = made(record)
    assert all("no call of a model" in reason for reason in account.left)
    assert line["expect"] == [{"intent": "respond"}]
    assert [(event["type"], event["data"]) for event in line["thread"]["events"]] == [
        ("user_message", "where is it?"),
        ("find", {"id": 7}),
        ("find_result", {"at": "home"}),
    ]
    assert account.systems == {"You help.": 1}
    return line, account
