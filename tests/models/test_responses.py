"""What can be read of an answer is kept, whatever else is wrong with it; and what its headers say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import CompletionError
from phrasing.models.responses import (
    BadAnswer,
    ErrorBody,
    error_status,
    read_answer,
    read_error,
    read_json,
    read_logprobs,
    read_quota,
    retry_after,
)
from phrasing.records import Result
from phrasing.runs import store
from phrasing.types import Completion, ToolCall, Usage
from support.tiny_runs import result

CALL = {"type": "function", "function": {"name": "deploy", "arguments": "{}"}}
HUGE = "1" + "0" * 5000
"""The digits of an integer that Python reads only when told to."""
COUNTED = {"prompt_tokens": 100, "completion_tokens": 20}
TEXT = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": COUNTED}


def body(message: Any = None, *, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "hi"} if message is None else message, "finish_reason": finish}], **more}


def kept(value: Any) -> Completion:
    """Read a body through its bytes, as it comes."""
    found, unread = read_json(value if isinstance(value, bytes) else json.dumps(value).encode())
    return read_answer(found, unread)


# ---------------------------------------------------------------------------------------------- what is kept


@pytest.mark.parametrize(
    ("content", "text", "unread"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab", ()),
        (["a", "b"], "ab", ()),
        ([{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}], "a", ()),
        ([{"type": "output_text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}], "a", ("content",)),
        ([{"type": "text", "text": {"value": "a"}}, 7, None], "a", ("content",)),
        ({"type": "text", "text": "a"}, "a", ()),
    ],
)
def test_content_in_parts(content: Any, text: str, unread: tuple[str, ...]) -> None:
    got = kept(body({"content": content}))
    assert (got.text, got.unread) == (text, unread)


@pytest.mark.parametrize("usage", ["many", [1, 2], 7, True, {"prompt_tokens": "12"}, {"prompt_tokens": -12}])
def test_usage_that_is_none(usage: Any) -> None:
    got = kept(body(usage=usage))
    assert (got.text, got.usage, got.unread) == ("hi", Usage(), ("usage",))


@pytest.mark.parametrize("count", [-12, 1e30, 1.5, "12", None, [], {}, True, HUGE, float("nan"), float("inf"), 10**9 + 1])
def test_a_count_that_is_none_leaves_the_others(count: Any) -> None:
    raw = json.dumps(body(usage={"prompt_tokens": 100, "completion_tokens": "?"})).replace('"?"', written(count)).encode()
    got = kept(raw)
    assert (got.text, got.usage) == ("hi", Usage(prompt=100))
    assert got.unread == (() if count is None else ("usage",))


def written(value: Any) -> str:
    return value if value is HUGE else json.dumps(value)


@pytest.mark.parametrize("details", ["many", [1], {"cached_tokens": -1}, {"cached_tokens": 101}, {"cached_tokens": {}}])
def test_cached_tokens_that_are_none(details: Any) -> None:
    got = kept(body(usage={**COUNTED, "prompt_tokens_details": details}))
    assert (got.usage, got.unread) == (Usage(prompt=100, completion=20), ("usage",))


def test_whole_counts_may_be_written_as_floats() -> None:
    assert kept(body(usage={"prompt_tokens": 100.0, "completion_tokens": 2e1})).usage == Usage(prompt=100, completion=20)


@pytest.mark.parametrize("finish", [{"type": "stop"}, 7, ["stop"], True])
def test_a_reason_to_finish_that_is_none(finish: Any) -> None:
    got = kept(body(finish=finish))
    assert (got.text, got.finish_reason, got.unread) == ("hi", None, ("finish_reason",))


@pytest.mark.parametrize(
    ("calls", "found", "unread"),
    [
        ([CALL, 7], 1, ("tool_calls",)),
        ([CALL, {"function": {"arguments": "{}"}}], 1, ("tool_calls",)),
        ([CALL, {"function": None}, {"function": {"name": 5}}], 1, ("tool_calls",)),
        (CALL, 1, ()),
        ("deploy", 0, ("tool_calls",)),
        (7, 0, ("tool_calls",)),
        ([], 0, ()),
        (None, 0, ()),
    ],
)
def test_calls_that_can_be_read_are_kept(calls: Any, found: int, unread: tuple[str, ...]) -> None:
    got = kept(body({"content": "hi", "tool_calls": calls}))
    assert (got.text, len(got.tool_calls), got.unread) == ("hi", found, unread)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"tag": "v1"}, '{"tag": "v1"}'), (None, ""), ([1], "[1]"), (5, "5"), ({"a": float("nan")}, '{"a": NaN}'), ("{", "{")],
)
def test_arguments_are_a_text(arguments: Any, text: str) -> None:
    got = kept(body({"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}))
    assert (got.tool_calls, got.unread) == ((ToolCall(name="f", arguments=text),), ())


def test_an_error_beside_an_answer_is_noted() -> None:
    got = kept({**TEXT, "error": {"message": "late"}})
    assert (got.text, got.usage, got.unread) == ("hi", Usage(prompt=100, completion=20), ("error",))
    assert kept({**TEXT, "error": None}).unread == ()


def test_bytes_that_are_no_text_are_replaced_and_noted() -> None:
    got = kept(json.dumps(TEXT).encode().replace(b"hi", b"h\xff\xfei"))
    assert (got.text, got.unread) == ("h\ufffd\ufffdi", ("bytes",))
    assert kept(b"\xef\xbb\xbf" + json.dumps(TEXT).encode()).unread == ()


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_without_a_message_the_reason_to_finish_says_it(finish: str) -> None:
    got = kept({"choices": [{"message": None, "finish_reason": finish}], "usage": COUNTED})
    assert (got.text, got.finish_reason, got.usage.prompt, got.unread) == ("", finish, 100, ("message",))


def test_an_empty_answer_is_an_answer() -> None:
    assert kept(body({"content": None})) == Completion(finish_reason="stop")
    assert kept(body({})).unread == ()


# ---------------------------------------------------------------------------------------------- what is no answer


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "hi",
        7,
        {},
        {"choices": {}},
        {"choices": "hi"},
        {"choices": [None]},
        {"choices": [{"message": None, "finish_reason": "stop"}]},
        {"choices": [{"message": "hi"}]},
        body({"content": 7}),
        body({"content": [7]}),
        body({"content": None, "tool_calls": [7]}),
    ],
)
def test_where_nothing_can_be_read_there_is_no_answer(value: Any) -> None:
    with pytest.raises(BadAnswer):
        kept(value)


@pytest.mark.parametrize("raw", [b"", b"{", b"<html>", b"\xff", b"[" * 100_000])
def test_what_isn_t_json_is_no_answer(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        kept(raw)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ({"message": "maximum context length is 9"}, "overflow", "maximum context length is 9"),
        ({"message": "no", "code": "context_length_exceeded"}, "overflow", "no"),
        ({"message": "no money", "code": "insufficient_quota"}, "fatal", "no money"),
        ({"message": "no money", "code": 402}, "fatal", "HTTP 402: no money"),
        ({"message": "slow down", "code": 429}, "transient", "HTTP 429: slow down"),
        ({"message": "slow down", "code": "429"}, "transient", "HTTP 429: slow down"),
        ({"message": "no", "code": "content_policy_violation"}, "refused", "no"),
        ({"message": "upstream failed"}, "transient", "upstream failed"),
        ("upstream failed", "transient", "upstream failed"),
        ({"a": 1}, "transient", '{"a": 1}'),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"choices": []}, {"choices": None}, {"choices": [{"message": {"content": ""}}]}])
def test_an_error_instead_of_an_answer_means_what_it_says(error: Any, kind: str, said: str, beside: dict[str, Any]) -> None:
    with pytest.raises(ErrorBody) as caught:
        kept({"error": error, **beside})
    got = read_error(error_status(caught.value.body), {}, caught.value.body)
    assert (got.kind, str(got)) == (kind, said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FUNCTION = st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON})
CALLS = st.lists(JSON | st.fixed_dictionaries({}, optional={"function": JSON | FUNCTION}), max_size=3)
MESSAGE = st.fixed_dictionaries({}, optional={"content": JSON, "tool_calls": JSON | CALLS, "refusal": JSON})
CHOICE = st.fixed_dictionaries({}, optional={"message": JSON | MESSAGE, "finish_reason": JSON, "error": JSON})
COUNTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("prompt_tokens", "completion_tokens", "prompt_tokens_details", "total_tokens"), JSON)
)


@given(
    st.fixed_dictionaries({}, optional={"choices": JSON | st.lists(CHOICE, max_size=2), "usage": JSON | COUNTS, "error": JSON})
)
def test_no_body_breaks_the_reader(value: Any) -> None:
    try:
        got = kept(value)
    except BadAnswer:
        return
    except ErrorBody as error:
        said = read_error(error_status(error.body), {}, error.body)
        assert isinstance(said, CompletionError)
        assert "\n" not in str(said)
        return
    counts = [got.usage.prompt, got.usage.completion, got.usage.cached, got.usage.reasoning]
    assert all(count is None or 0 <= count <= 10**9 for count in counts)


@given(text=st.text(min_size=1).filter(lambda text: "<" not in text), usage=JSON, finish=JSON, calls=JSON, error=JSON)
def test_a_text_is_kept_whatever_is_beside_it(text: str, usage: Any, finish: Any, calls: Any, error: Any) -> None:
    assert kept({**body({"content": text, "tool_calls": calls}, finish=finish), "usage": usage, "error": error}).text == text


# ---------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("12", 12), ("1.5", 1.5), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("2m59.56s", 179.56), ("1d", 86400)],
)
def test_a_wait_as_providers_write_it(written: str, seconds: float) -> None:
    found = read_quota({"x-ratelimit-reset-requests": written, "x-ratelimit-remaining-requests": "3"})
    assert found is not None
    assert (found.requests, found.requests_reset) == (3, pytest.approx(seconds))


@pytest.mark.parametrize("written", ["soon", "", "m", "6m0", "-", "NaN", "inf", "1e9999", "٣"])
def test_a_wait_that_says_nothing(written: str) -> None:
    assert read_quota({"x-ratelimit-reset-requests": written, "x-ratelimit-remaining-tokens": written}) is None
    assert retry_after({"retry-after": written}) is None


def test_anthropics_moment() -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    found = read_quota({"anthropic-ratelimit-tokens-reset": later, "anthropic-ratelimit-tokens-remaining": "9"})
    assert found is not None
    assert found.tokens == 9
    assert 3000 < (found.tokens_reset or 0) <= 3600


def test_retry_after_in_each_form() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "-1"}) == 0
    assert retry_after({"retry-after": "7", "retry-after-ms": "250"}) == 0.25
    assert retry_after({}) is None
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3000 < (retry_after({"retry-after": later}) or 0) <= 3600


# ---------------------------------------------------------------------------------------------- tokens of an answer

ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["logprobs", "content", "token", "logprob"]), inner),
    max_leaves=12,
)
TOKENS = st.lists(st.tuples(st.text(), st.floats(-100, 0)), min_size=1)


def said(tokens: Any) -> dict[str, Any]:
    return {"logprobs": {"content": [{"token": text, "logprob": value, "top_logprobs": []} for text, value in tokens]}}


@given(TOKENS)
def test_every_token_is_read_and_stays_as_it_is_in_a_run(tokens: list[tuple[str, float]]) -> None:
    found = read_logprobs(said(tokens))
    assert found is not None
    assert [text for text, _ in found] == [text for text, _ in tokens]
    assert all(abs(read - value) <= 0.00005 + 1e-12 for (_, read), (_, value) in zip(found, tokens, strict=True))
    kept = result(completion=Completion(text="x", logprobs=found))
    assert Result.model_validate_json(store.line(kept)) == kept


@given(ANY, TOKENS, st.data())
def test_what_is_not_whole_is_not_read_and_breaks_nothing(odd: Any, tokens: list[tuple[str, float]], data: st.DataObject) -> None:
    for choice in ({"logprobs": odd}, {"logprobs": {"content": odd}}, odd if isinstance(odd, dict) else {}):
        found = read_logprobs(choice)
        assert found is None or all(value <= 0 for _, value in found)
    whole = said(tokens)
    at = data.draw(st.integers(0, len(tokens) - 1))
    wrong = data.draw(st.sampled_from([None, float("nan"), float("-inf"), 0.5, "-1", True]))
    whole["logprobs"]["content"][at]["logprob"] = wrong
    assert read_logprobs(whole) is None


def test_half_a_character_can_be_stored() -> None:
    found = read_logprobs(json.loads(r'{"logprobs": {"content": [{"token": "\ud83d", "logprob": -1}]}}'))
    read = Result.model_validate_json(store.line(result(completion=Completion(logprobs=found))))
    assert read.completion
    assert read.completion.logprobs == (("?", -1.0),)


@pytest.mark.parametrize("choice", [{}, {"logprobs": None}, {"logprobs": {"content": []}}, {"logprobs": {"tokens": ["a"]}}])
def test_nothing_said_is_nothing(choice: dict[str, Any]) -> None:
    assert read_logprobs(choice) is None


def test_an_answer_without_them_is_stored_as_it_always_was() -> None:
    assert "logprobs" not in store.line(result(completion=Completion(text="x")))
