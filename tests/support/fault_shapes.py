"""What a provider may send instead of an answer, or around one: the shapes of ``fault_server``'s seeded mode.

A shape makes bytes, pauses and breaks of a right answer. Its kind says when a request meets it again, so that the last answer to
a request doesn't depend on how often a client was killed:

``passing``
    Is drawn anew at each attempt: errors that pass, connections that break, and right answers that arrive oddly.

    - a status and a body: 408, 409, 425, 500 (as OpenAI's error; with an empty, HTML, text, string, list, null, FastAPI, right,
      not UTF-8, or falsely gzipped body, or half a surrogate), 501, 502 (HTML, closed), 504, 507, 520, 522, 524, 599, 503 with a
      BOM
    - slow down: 429 (plain, HTML, Retry-After of 1, 0.2, -5, a date, a past date, garbage, twice; with rate limits), 503 and 529
      (plain, Retry-After 0; 503 also a date)
    - the connection: reset before, within and after the headers; closed before the headers; a body or a chunk cut short; a status
      line that is none; a length that is none
    - oddly, but right: headers late; body late; in chunks of a byte; gzipped; 201; fields that nobody knows
``lasting``
    Is drawn for a request, and met by its first ``LASTING`` attempts: a 200 that is no answer, or that readers take differently.

    - the body: empty, null, a list, a text, HTML, an error as an object, cut JSON, two objects, not UTF-8, BOM, gzip that is
      none or is cut, server-sent events, NaN, keys twice, an integer of 5,000 digits, 100,000 brackets, 204, text/plain, no type
    - choices: none, null, empty, a null, a number, an object, without a message, a null message, two
    - content: null, empty, a number, an object, parts, strings, half a surrogate
    - usage: a text, a list, many, -12, 1e30, 10 ** 30, null, a fraction, without a total
    - finish_reason: an object, unknown, null, a number
    - the message: tool calls with object arguments, with null functions, as a text; refusal; reasoning_content; a number as role
    - final by their words: 413, 400 for too long a context, 400 of a content filter
``stopping``
    Is drawn for a request, and met by its first attempt: what may have a client ask a model no more, and is never an answer. 400,
    400 HTML, 401, 402, 403, 404, 404 HTML, 405, 406, 410, 418, 422, 451, 429 of a spent quota, 302 without a place, 307
    elsewhere or in a loop, 200 with an error as a string.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final, Literal

Kind = Literal["passing", "lasting", "stopping"]

LASTING = 6
"""Attempts that meet a lasting shape: more than a client makes before it gives up, and more than kills that hit one request."""

RESET: Final = "reset"
"""Where a connection is reset."""

CLOSE: Final = "close"
"""Where a connection is closed."""

Sent = list[bytes | float | str]
"""What is sent, in order: bytes, seconds of silence, ``RESET`` or ``CLOSE``."""

Answer = dict[str, Any]
"""A right chat completion."""

HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"


@dataclass(frozen=True)
class Shape:
    """A shape by its name."""

    name: str
    kind: Kind
    make: Callable[[Answer], Sent]


def response(status: int, body: bytes | str = b"", headers: Mapping[str, str] | None = None, *, reason: str = "Said") -> bytes:
    """A whole response; a header that is given as empty is left out."""
    whole = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    said = {"Content-Type": "application/json", "Content-Length": str(len(whole)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in said.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + whole


def right(answer: Answer) -> bytes:
    """A right answer as anybody sends it."""
    return response(200, json.dumps(answer))


def _error(message: str = "no", code: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": code or "server_error", "param": None, "code": code}})


def _status(status: int, body: str | bytes | None = None, **headers: str) -> Callable[[Answer], Sent]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: [response(status, _error(f"status {status}") if body is None else body, named)]


def _html(status: int) -> Callable[[Answer], Sent]:
    return _status(status, HTML.format(f"{status} Bad Luck"), Content_Type="text/html")


def _body(body: str | bytes, **headers: str) -> Callable[[Answer], Sent]:
    return _status(200, body, **headers)


def _edited(edit: Callable[[Answer], object]) -> Callable[[Answer], Sent]:
    """A right answer with something changed in it."""

    def make(answer: Answer) -> Sent:
        copy = json.loads(json.dumps(answer))
        edit(copy)
        return [right(copy)]

    return make


def _text(edit: Callable[[str], str | bytes], **headers: str) -> Callable[[Answer], Sent]:
    """A right answer whose JSON is changed as a text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: [response(200, edit(json.dumps(answer)), named)]


def _message(**fields: Any) -> Callable[[Answer], Sent]:
    return _edited(lambda answer: answer["choices"][0]["message"].update(fields))


def _usage(usage: Any) -> Callable[[Answer], Sent]:
    return _edited(lambda answer: answer.update(usage=usage))


def _choice(**fields: Any) -> Callable[[Answer], Sent]:
    return _edited(lambda answer: answer["choices"][0].update(fields))


def _choices(choices: Any) -> Callable[[Answer], Sent]:
    return _edited(lambda answer: answer.update(choices=choices))


def _without(answer: Answer, name: str) -> object:
    return answer.pop(name)


def _chunks(answer: Answer, *, last: bool = True) -> Sent:
    body = json.dumps(answer).encode()
    head = response(200, b"", {"Content-Length": "", "Transfer-Encoding": "chunked"})
    size = 1 if last else 40
    parts: Sent = [b"%x\r\n%s\r\n" % (len(body[i : i + size]), body[i : i + size]) for i in range(0, len(body), size)]
    return [head, *parts, b"0\r\n\r\n"] if last else [head, *parts[:2], CLOSE]


def _cut(answer: Answer) -> Sent:
    return [right(answer)[:-30], CLOSE]


def _events(answer: Answer) -> str:
    said = answer["choices"][0]["message"]["content"]
    piece = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant", "content": said}}]}
    return f"data: {json.dumps(piece)}\n\ndata: [DONE]\n\n"


def _call(**function: Any) -> Callable[[Answer], Sent]:
    return _message(content=None, tool_calls=[{"id": "call_1", "type": "function", "function": function or None}])


PAST = formatdate(0, usegmt=True)

PASSING: dict[str, Callable[[Answer], Sent]] = {
    "408": _status(408),
    "409": _status(409),
    "425": _status(425),
    "500": _status(500),
    "500 empty": _status(500, ""),
    "500 HTML": _html(500),
    "500 text": _status(500, "Traceback (most recent call last):\n  File \"x\"\nKeyError: 'y'\n", Content_Type="text/plain"),
    "500 string": _status(500, '{"error": "overloaded"}'),
    "500 list": _status(500, '[{"error": {"message": "no"}}]'),
    "500 null": _status(500, "null"),
    "500 FastAPI": _status(500, '{"detail": [{"loc": ["body"], "msg": "no", "type": "x"}]}'),
    "500 right": lambda answer: [response(500, json.dumps(answer))],
    "500 not UTF-8": _status(500, b'{"error": {"message": "\xff\xfe\x80"}}'),
    "500 half a surrogate": _status(500, '{"error": {"message": "no \\ud83d"}}'),
    "500 false gzip": _status(500, _error(), Content_Encoding="gzip"),
    "501": _status(501),
    "502 HTML": _html(502),
    "502 closed": lambda answer: [response(502, "", {"Content-Length": "", "Connection": "close"}), CLOSE],
    "503": _status(503),
    "503 Retry-After 0": _status(503, Retry_After="0"),
    "503 Retry-After date": lambda answer: [response(503, _error(), {"Retry-After": formatdate(usegmt=True)})],
    "503 BOM": _status(503, "\ufeff" + _error()),
    "504": _html(504),
    "507": _status(507),
    "520": _html(520),
    "522": _html(522),
    "524": _html(524),
    "529": _status(529, _error("Overloaded", "overloaded_error")),
    "529 Retry-After 0": _status(529, _error("Overloaded", "overloaded_error"), Retry_After="0"),
    "599": _status(599),
    "429": _status(429, _error("slow down", "rate_limit_exceeded")),
    "429 HTML": _html(429),
    "429 Retry-After 1": _status(429, Retry_After="1"),
    "429 Retry-After 0.2": _status(429, Retry_After="0.2"),
    "429 Retry-After -5": _status(429, Retry_After="-5"),
    "429 Retry-After date": lambda answer: [response(429, _error(), {"Retry-After": formatdate(usegmt=True)})],
    "429 Retry-After past date": _status(429, Retry_After=PAST),
    "429 Retry-After garbage": _status(429, Retry_After="soon, nan"),
    "429 Retry-After twice": lambda answer: [response(429, _error(), {"Retry-After": "0", "retry-after": "0"})],
    "429 rate limits": _status(429, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="6ms"),
    "reset before headers": lambda answer: [RESET],
    "closed before headers": lambda answer: [CLOSE],
    "reset within headers": lambda answer: [right(answer)[:30], RESET],
    "reset after headers": lambda answer: [right(answer).partition(b"\r\n\r\n")[0] + b"\r\n\r\n", 0.01, RESET],
    "body cut short": _cut,
    "chunk cut short": lambda answer: _chunks(answer, last=False),
    "no status line": lambda answer: [b"hello\r\n\r\n", CLOSE],
    "no length": lambda answer: [response(200, json.dumps(answer), {"Content-Length": "many"}), CLOSE],
    "late headers": lambda answer: [0.1, right(answer)],
    "late body": lambda answer: [right(answer)[:-20], 0.1, right(answer)[-20:]],
    "chunks of a byte": _chunks,
    "gzipped": lambda answer: [response(200, gzip.compress(json.dumps(answer).encode()), {"Content-Encoding": "gzip"})],
    "201": lambda answer: [response(201, json.dumps(answer))],
    "unknown fields": _edited(lambda answer: answer.update(extra={"deep": [1, None]}, service_tier="x", timings={"a": 1.5})),
}  # fmt: skip

LASTED: dict[str, Callable[[Answer], Sent]] = {
    "empty": _body(""),
    "null": _body("null"),
    "list": _body("[]"),
    "text": _body('"hello"'),
    "HTML": _body(HTML.format("Welcome"), Content_Type="text/html"),
    "error object": _body(_error("overloaded")),
    "cut JSON": _text(lambda text: text[:-30]),
    "two objects": _text(lambda text: f"{text}\n{text}"),
    "not UTF-8": _text(lambda text: text.replace("assistant", "\x00").encode().replace(b"\x00", b"\xff")),
    "BOM": _text(lambda text: "\ufeff" + text),
    "false gzip": _text(lambda text: text, Content_Encoding="gzip"),
    "cut gzip": _text(lambda text: gzip.compress(text.encode())[:-12], Content_Encoding="gzip"),
    "server-sent events": lambda answer: [response(200, _events(answer), {"Content-Type": "text/event-stream"})],
    "NaN": _text(lambda text: text[:-1] + ', "logprob": NaN}'),
    "keys twice": _text(lambda text: text.replace('"content":', '"content": "no", "content":')),
    "integer of 5,000 digits": _text(lambda text: text[:-1] + ', "nonce": ' + "9" * 5000 + "}"),
    "100,000 brackets": _text(lambda text: text[:-1] + ', "deep": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    "204": _status(204, "", Content_Length="", Content_Type=""),
    "text/plain": _text(lambda text: text, Content_Type="text/plain"),
    "no type": _text(lambda text: text, Content_Type=""),
    "no choices": _edited(lambda answer: _without(answer, "choices")),
    "choices null": _choices(None),
    "choices empty": _choices([]),
    "choice null": _choices([None]),
    "choices a number": _choices(7),
    "choices an object": _choices({"message": {"content": "hi"}}),
    "no message": _choices([{"index": 0, "finish_reason": "stop"}]),
    "message null": _choice(message=None),
    "two choices": _edited(lambda answer: answer["choices"].append(answer["choices"][0])),
    "content null": _message(content=None),
    "content empty": _message(content=""),
    "content a number": _message(content=42),
    "content an object": _message(content={"intent": "x"}),
    "content parts": _edited(
        lambda answer: answer["choices"][0]["message"].update(
            content=[{"type": "text", "text": answer["choices"][0]["message"]["content"]}]
        )
    ),
    "content strings": _message(content=["a", "b"]),
    "content half a surrogate": _message(content="half \ud83d"),
    "usage a text": _usage("12 tokens"),
    "usage a list": _usage([12, 3]),
    "usage many": _usage({"prompt_tokens": "many", "completion_tokens": 3, "total_tokens": "many"}),
    "usage -12": _usage({"prompt_tokens": -12, "completion_tokens": 3, "total_tokens": -9}),
    "usage 1e30": _usage({"prompt_tokens": 1e30, "completion_tokens": 3, "total_tokens": 1e30}),
    "usage 10 ** 30": _usage({"prompt_tokens": 10**30, "completion_tokens": 3, "total_tokens": 10**30}),
    "usage null": _usage(None),
    "usage a fraction": _usage({"prompt_tokens": 12.5, "completion_tokens": 3, "total_tokens": 15.5}),
    "usage without a total": _usage({"prompt_tokens": 12}),
    "finish_reason an object": _choice(finish_reason={"type": "stop"}),
    "finish_reason unknown": _choice(finish_reason="eos_token"),
    "finish_reason null": _choice(finish_reason=None),
    "finish_reason a number": _choice(finish_reason=0),
    "tool call with object arguments": _call(name="send", arguments={"to": "ann", "urgent": False}),
    "tool call without a function": _call(),
    "tool calls a text": _message(tool_calls="send(ann)"),
    "refusal": _message(content=None, refusal="I can't help with that."),
    "reasoning_content": _message(reasoning_content="Let me think."),
    "role a number": _message(role=3),
    "413": _status(413, _error("too large")),
    "400 context": _status(400, _error("This model's maximum context length is 10 tokens.", "context_length_exceeded")),
    "400 filter": _status(400, _error("The response was filtered.", "content_filter")),
}

STOPPING: dict[str, Callable[[Answer], Sent]] = {
    "400": _status(400, _error("bad request", "invalid_request_error")),
    "400 HTML": _html(400),
    "401": _status(401, _error("no such key \\ud83d")),
    "402": _status(402),
    "403": _status(403),
    "404": _status(404, _error("no such model", "model_not_found")),
    "404 HTML": _html(404),
    "405": _status(405),
    "406": _status(406),
    "410": _status(410),
    "418": _status(418),
    "422": _status(422, '{"detail": [{"loc": ["body", "seed"], "msg": "unexpected", "type": "x"}]}'),
    "451": _status(451),
    "200 error string": _body('{"error": "overloaded"}'),
    "302 to nowhere": _status(302, ""),
    "307": _status(307, "", Location="/elsewhere/v1/chat/completions"),
    "redirects in a loop": _status(307, "", Location="/loop/v1/chat/completions"),
    "429 quota": _status(429, _error("You exceeded your current quota.", "insufficient_quota")),
}

RIGHT = frozenset({"late headers", "late body", "chunks of a byte", "gzipped", "201", "unknown fields"})
"""The passing shapes that any client takes for the right answer that they are."""

_KINDS: tuple[tuple[Kind, dict[str, Callable[[Answer], Sent]]], ...] = (
    ("passing", PASSING),
    ("lasting", LASTED),
    ("stopping", STOPPING),
)
SHAPES = {name: Shape(name, kind, make) for kind, listed in _KINDS for name, make in listed.items()}
"""All shapes by name."""
