from __future__ import annotations

from support.imported import made, the_case
from support.log_records.openinference import FLAT, RECORDS, TOOL


def test_every_way_to_write_a_span_gives_the_same_case() -> None:
    for record in RECORDS:
        line, account = the_case(record)
        assert not account.kept
        assert line["group"] == "talk-1"
        assert account.toolsets == [(TOOL,)]


def test_a_call_without_its_answer_makes_no_case() -> None:
    lines, account = made({"attributes": {key: value for key, value in FLAT.items() if "output" not in key}})
    assert not lines
    assert "no answer of the agent: the model's answer isn't in the span" in account.left


def test_other_spans_are_counted_as_such() -> None:
    lines, account = made({"attributes": {"openinference.span.kind": "TOOL", "tool.name": "find"}})
    assert not lines
    assert dict(account.records) == {"openinference, without a conversation": 1}


def test_a_page_of_phoenixs_spans_is_its_spans() -> None:
    page = {"data": [RECORDS[0], {"name": "agent", "attributes": {"openinference.span.kind": "AGENT"}}], "next_cursor": None}
    ((line,), account) = made(page)
    assert line["expect"] == [{"intent": "respond"}]
    assert list(account.left) == ["a span that is no call of a model (an agent, a chain, a tool, a retriever)"]
