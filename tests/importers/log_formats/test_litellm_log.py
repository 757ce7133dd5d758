from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from phrasing.importers import registry
from phrasing.importers.log_formats import litellm_log
from support import imported
from support.log_records.litellm_log import PASSED, PAYLOAD, RESPONSES, ROW
from support.log_records.openai_chat import FOUND, REQUEST, TOOL
from support.log_records.openai_responses import RESPONSE

made = partial(imported.made, importer="litellm")


@pytest.mark.parametrize("record", [PAYLOAD, RESPONSES, PASSED, ROW], ids=["payload", "responses", "anthropic", "row"])
def test_a_call_is_one_decision(record: Any) -> None:
    ((line,), account) = made(record)
    assert [event["type"] for event in line["thread"]["events"]][:3] == ["user_message", "find", "find_result"]
    assert line["thread"]["events"][2]["data"] == {"at": "home"}
    assert line["expect"] == [{"intent": "find", "args": {"id": 8}}]
    assert (line["group"], line["turn"]) == ("trip-1", 2)
    assert account.systems == {"You help.": 1}
    assert account.toolsets == [(TOOL,)]
    assert "tags" not in line
    assert not account.left


def test_meta_says_what_was_called_but_not_who_called() -> None:
    ((line,), _) = made(PAYLOAD)
    assert line["meta"] == {
        "source": "t.jsonl:1",
        "id": "chatcmpl-1",
        "call_type": "acompletion",
        "status": "success",
        "stream": True,
        "model": "gpt-x",
        "model_group": "big",
        "custom_llm_provider": "openai",
        "response_cost": 0.25,
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "requester_metadata.reward": 1,
        "request_tags": ["beta"],
    }
    ((line,), _) = made(ROW)
    assert not {"f00", "mary"} & set(map(str, line["meta"].values()))
    assert line["meta"]["spend_logs_metadata.reward"] == 1


def test_calls_of_one_trace_are_one_conversation() -> None:
    first = {**PAYLOAD, "messages": PAYLOAD["messages"][:2]}
    lines, _ = made(first, PAYLOAD, {**PAYLOAD, "trace_id": "trip 2"}, {**PAYLOAD, "session_id": "s"})
    assert [(line["id"], line["group"]) for line in lines] == [
        ("trip-1-1", "trip-1"),
        ("trip-1-2", "trip-1"),
        ("trip-2-2", "trip-2"),
        ("s-2", "s"),
    ]


@pytest.mark.parametrize(
    "response", ["At home.", {"choices": [{"message": {"role": "assistant", "content": "At home."}}]}, '{"a": 1}']
)
def test_a_text_is_what_the_agent_said(response: Any) -> None:
    ((line,), _) = made({**PAYLOAD, "response": response})
    assert line["expect"] == [{"intent": "respond"}]


def test_a_prompt_is_a_user_s_message() -> None:
    ((line,), _) = made({**PAYLOAD, "messages": "go"})
    assert line["thread"]["events"] == [{"type": "user_message", "data": "go", "role": "input"}]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": "failure", "response": {}, "error_str": "timed out"}, "a call that failed"),
        ({"response": {}}, "a response without a message"),
        ({"response": None}, "a response without a message"),
        ({"response": [{"embedding": [0.5]}]}, "a response without a message"),
        ({"response": {"output": []}}, "a response without an output"),
    ],
    ids=["failure", "empty", "null", "embedding", "no items"],
)
def test_a_call_without_an_answer_makes_no_case(changed: dict[str, Any], reason: str) -> None:
    lines, account = made({**PAYLOAD, **changed})
    assert lines == []
    assert list(account.left) == [f"no answer of the agent: {reason}"]


@pytest.mark.parametrize(
    "messages", [[{"role": "user", "content": "redacted-by-litellm"}], "redacted-by-litellm", None, [], {}], ids=repr
)
def test_messages_that_were_not_logged_make_no_case(messages: Any) -> None:
    lines, account = made({**PAYLOAD, "messages": messages})
    assert lines == []
    assert list(account.kept) == ["messages that LiteLLM didn't log, or redacted: left out of the thread"]
    assert list(account.left) == ["nothing stands before the agent's turn"]


def test_texts_cut_short_make_a_case_incomplete() -> None:
    cut = {**FOUND, "content": "a... (litellm_truncated skipped 9 chars) ...b"}
    ((line,), account) = made({**PAYLOAD, "messages": [*PAYLOAD["messages"][:3], cut]})
    assert line["tags"] == ["incomplete"]
    assert list(account.kept) == ["texts that LiteLLM cut short: left out of the thread"]


def test_other_records_are_left_to_others() -> None:
    for record in (REQUEST, RESPONSE, {"call_type": "acompletion"}, {"messages": [], "call_type": "x"}, []):
        assert not litellm_log.fits(record)
    with pytest.raises(ValueError, match="has no `call_type`"):
        list(litellm_log.read(REQUEST))


def test_a_page_of_the_proxys_spend_logs_is_its_rows() -> None:
    rows = [ROW, {**ROW, "request_id": "r2"}]
    single = [line["expect"] for line in imported.made(*rows)[0]]
    lines, _ = imported.made({"data": rows, "total": len(rows), "page": 1})
    assert [line["expect"] for line in lines] == single
    assert registry.detect({"data": rows, "total": 1}) == "litellm"
