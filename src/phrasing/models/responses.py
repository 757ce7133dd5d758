"""Read what came back in the protocol of OpenAI's chat completions: an answer, or what an error means. Values in, values out.

An answer was paid for. So whatever of it can be read is kept, and what can't be is left out and named (``Completion.unread``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from phrasing.errors import CompletionError, CompletionErrorKind, shorten
from phrasing.types import Completion, Logprobs, Quota, Request, ToolCall, Usage

_OVERFLOW = re.compile(
    r"exceed_context_size|context_length_exceeded|exceeds? the (available |maximum |model's )?context|exceed context limit"
    r"|maximum context l(ength|imit)|longer than the model's context|(prompt|input) is too long|maximum input length is"
    r"|reduce the length of the (messages|prompt|input)|input tokens exceed the configured limit"
    r"|maximum number of tokens allowed|current length is .* while limit is",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"rejected as a result of (our|the) safety system|content management policy|model produced invalid content", re.IGNORECASE
)
_THINKING = re.compile(r"\s*<(think|thinking|budget:thinking)>.*?</\1>(.*)", re.DOTALL)

REFUSAL_CODES = frozenset({"content_policy_violation", "content_filter"})

MOST_TOKENS = 10**9
"""More than any prompt or answer has: a larger count is no count."""

_IN_OPENAIS_WORDS = {
    **dict.fromkeys(("end_turn", "eos", "eos_token", "STOP", "stop_sequence"), "stop"),
    **dict.fromkeys(("max_tokens", "MAX_TOKENS"), "length"),
    **dict.fromkeys(("refusal", "SAFETY", "safety", "sensitive", "content_filtered"), "content_filter"),
    "tool_use": "tool_calls",
}
"""Reasons to finish that servers give in words of their own."""


class BadAnswer(Exception):
    """The endpoint answered 200 with something that isn't an answer."""


class ErrorBody(Exception):
    """The endpoint answered 200 with an error. ``body`` is what it said."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        super().__init__(error_text(body))


# ---------------------------------------------------------------------------------------------- what came back


def read_json(raw: bytes) -> tuple[Any, tuple[str, ...]]:
    """Read a body, and name what was wrong with its bytes. Raises ``BadAnswer`` where it isn't JSON."""
    unread: tuple[str, ...] = ()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, unread = raw.decode("utf-8", "replace"), ("bytes",)
    try:
        return _json(text), unread
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadAnswer(f"the answer isn't JSON: {shorten(text, 80) or 'it is empty'}") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no integer of more than 4,300 digits
        return json.loads(text, parse_int=float)


def read_answer(body: Any, unread: Sequence[str] = ()) -> Completion:
    """Read a chat completion. What only the asker knows (latency, cost, attempts) is left out.

    A refusal that comes beside the text (OpenAI's ``refusal``) is given as the text, with ``finish_reason`` ``content_filter``.
    Reasoning, beside the text or in ``<think>`` before it, isn't part of the text. ``unread`` are parts that are lost already.
    Raises ``BadAnswer`` where there is no answer in it, ``ErrorBody`` where there is an error instead.
    """
    if not isinstance(body, Mapping):
        raise BadAnswer("the answer isn't a JSON object")
    lost = [*unread]
    choice = _first_choice(body)
    error = body.get("error") or choice.get("error")
    message = choice.get("message")
    if not isinstance(message, Mapping):
        message = {}
        lost.append("message")
    text, calls = _text(message.get("content"), lost), _calls(message.get("tool_calls"), lost)
    finish = _finish_reason(choice.get("finish_reason"), lost)
    refusal = message.get("refusal")
    if refusal and isinstance(refusal, str) and not text:
        text, finish = refusal, "content_filter"
    if not text and not calls:
        if error:
            raise ErrorBody({"error": error})
        if lost and finish not in ("length", "content_filter"):  # those two say what became of it
            raise BadAnswer(f"the answer can't be read: {' and '.join(lost)}")
    if error:
        lost.append("error")
    usage = read_usage(body.get("usage"), lost)
    finish = "tool_calls" if calls and finish == "stop" else finish
    logprobs = read_logprobs(choice)
    return Completion(
        text=text,
        tool_calls=calls,
        finish_reason=finish,
        usage=usage,
        unread=tuple(dict.fromkeys(lost)),
        logprobs=logprobs,
        alternatives=read_alternatives(choice) if logprobs else None,
    )


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, Sequence) and not isinstance(choices, str) and choices else None
    if isinstance(first, Mapping):
        return first
    if body.get("error"):
        raise ErrorBody(body)
    raise BadAnswer("the answer holds no choices")


def _text(content: Any, lost: list[str]) -> str:
    """Read a message's content: a text, or a list of parts, of which those with reasoning or a picture aren't text."""
    if isinstance(content, list):
        text = "".join(_part(part, lost) for part in content)
    elif isinstance(content, Mapping):
        text = _part(content, lost)
    elif content is None or isinstance(content, str):
        text = content or ""
    else:
        lost.append("content")
        return ""
    thought = _THINKING.match(text)
    return thought[2] if thought else text


def _part(part: Any, lost: list[str]) -> str:
    if isinstance(part, str):
        return part
    kind, text = (part.get("type"), part.get("text")) if isinstance(part, Mapping) else (None, None)
    if kind in ("reasoning", "thinking", "redacted_thinking"):
        return ""
    if isinstance(text, Mapping):
        text = text.get("value")
    if isinstance(text, str):
        return text
    lost.append("content")
    return ""


def _calls(value: Any, lost: list[str]) -> tuple[ToolCall, ...]:
    calls = [value] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    if value and not calls:
        lost.append("tool_calls")
    found = []
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        name = function.get("name") if isinstance(function, Mapping) else None
        if isinstance(function, Mapping) and isinstance(name, str):
            found.append(ToolCall(name=name, arguments=_as_text(function.get("arguments"))))
        else:
            lost.append("tool_calls")
    return tuple(found)


def read_logprobs(choice: Mapping[str, Any]) -> Logprobs | None:
    """Read the tokens of a choice and the logarithms of their probabilities, to 4 decimals; ``None`` for any other shape.

    What isn't whole isn't given at all: a sum over a part of an answer would look like a better one.
    """
    said = choice.get("logprobs")
    content = said.get("content") if isinstance(said, Mapping) else None
    if not isinstance(content, Sequence) or isinstance(content, str) or not content:
        return None
    read = [_read_token(token) for token in content]
    return tuple(token for token in read if token) if all(read) else None


LIKELY = -10.0
"""The logarithm of the probability from which on an alternative is kept: less likely ones (1 in 22,026) change no figure."""


def read_alternatives(choice: Mapping[str, Any]) -> dict[int, Logprobs] | None:
    """Read what was likely in place of each token of a choice whose ``read_logprobs`` is whole, by the token's place.

    Places where only one token was likely are left out, and what can't be read. ``None`` where none were asked for.
    """
    listed = [token.get("top_logprobs") for token in choice["logprobs"]["content"]]
    if not any(listed):
        return None
    found = {}
    for place, tokens in enumerate(listed):
        read = [_read_token(token) for token in tokens] if isinstance(tokens, Sequence) and not isinstance(tokens, str) else []
        likely = tuple(token for token in read if token and token[1] >= LIKELY)
        if len(likely) > 1:
            found[place] = likely
    return found


def _read_token(token: Any) -> tuple[str, float] | None:
    if not isinstance(token, Mapping):
        return None
    text, value = token.get("token"), token.get("logprob")
    if not isinstance(text, str) or not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not math.isfinite(value) or value > 0:
        return None
    return text, round(float(value), 4) + 0.0  # never -0.0


def _as_text(arguments: Any) -> str:
    """Write arguments as the text that they should have been; none at all are the empty text."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return _written(arguments)


def _written(value: Any) -> str:
    """Write any JSON value, as NaN too was one to whoever sent it."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:  # what can just be read may be too deep to be written
        return "…"


def _finish_reason(value: Any, lost: list[str]) -> str | None:
    if value is None or isinstance(value, str):
        return _IN_OPENAIS_WORDS.get(value, value) if value else None
    lost.append("finish_reason")
    return None


def read_usage(value: Any, lost: list[str]) -> Usage:
    """Read counts of tokens; what isn't one is left out, and ``lost`` gets ``usage``.

    Where all are 0 the provider says nothing. Cached tokens stand where OpenAI writes them, or where DeepSeek or Anthropic do.
    """
    if value is None:
        return Usage()
    if not isinstance(value, Mapping):
        lost.append("usage")
        return Usage()
    prompt, completion = _count(value, "prompt_tokens", lost), _count(value, "completion_tokens", lost)
    if not prompt and not completion and not value.get("total_tokens"):
        return Usage()
    before, after = (_details(value.get(f"{side}_tokens_details"), lost) for side in ("prompt", "completion"))
    cached = _count(before, "cached_tokens", lost)
    for name in ("prompt_cache_hit_tokens", "cache_read_input_tokens"):
        cached = _count(value, name, lost) if cached is None else cached
    reasoning = _count(after, "reasoning_tokens", lost)
    if cached is not None and prompt is not None and cached > prompt:
        lost.append("usage")
        cached = None
    return Usage(prompt=prompt, completion=completion, cached=cached, reasoning=reasoning)


def _details(value: Any, lost: list[str]) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        lost.append("usage")
    return value if isinstance(value, Mapping) else {}


def _count(counts: Mapping[str, Any], name: str, lost: list[str]) -> int | None:
    value = counts.get(name)
    if value is None:
        return None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS and value == int(value)
    if not whole:
        lost.append("usage")
    return int(value) if whole else None


def emulated(request: Request, body: Any) -> str | None:
    """Say which tools are in the body that nobody asked for: litellm writes a schema as a tool where a provider has none."""
    if not isinstance(body, Mapping):
        return None
    asked = set(_tool_names(request.tools or ()))
    added = [name for name in _tool_names([body.get("tools"), body.get("toolConfig")]) if name not in asked]
    if not added:
        return None
    return f"{'response_format sent as' if request.response_format else 'added'} tool {added[0]!r}"


def _tool_names(value: Any) -> Iterator[str]:
    """Find the names in a list of tools in any provider's shape, without looking into the tools' own parameters."""
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str):
            yield value["name"]
        else:
            for inner in value.values():
                yield from _tool_names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tool_names(inner)


# ---------------------------------------------------------------------------------------------- what went wrong


def error_text(body: Any) -> str:
    """Find what an error's body says, wherever servers write it; else the body itself."""
    found = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(found, Mapping):
        said = next((found[name] for name in ("message", "detail", "msg", "code", "type") if found.get(name)), found)
        return said if isinstance(said, str) else _written(said)
    return found if isinstance(found, str) else _written(found)


def error_codes(body: Any) -> set[str]:
    """Return the ``code`` and ``type`` that the provider gave beside its message."""
    body = body.get("error", body) if isinstance(body, Mapping) else None
    found = [body.get(name) for name in ("code", "type")] if isinstance(body, Mapping) else []
    return {str(code) for code in found if code and isinstance(code, str | int)}


def error_status(body: Any) -> int | None:
    """Return the status that an error's body names where the response itself says 200."""
    body = body.get("error", body) if isinstance(body, Mapping) else None
    found = [body.get(name) for name in ("status", "status_code", "code")] if isinstance(body, Mapping) else []
    return next((int(code) for code in found if isinstance(code, str | int) and re.fullmatch(r"[45]\d\d", str(code))), None)


def error_kind(status: int | None, text: str, codes: set[str]) -> CompletionErrorKind:
    """Say what an error means, by its status (``None``: there was none), its text and its codes."""
    if status == 413 or is_overflow(" ".join([text, *codes])):
        return "overflow"
    if codes & REFUSAL_CODES or _FILTERED.search(text):
        return "refused"
    if status in (401, 403) or "insufficient_quota" in codes:  # a 429 that doesn't pass
        return "fatal"
    return "transient" if status is None or status in (408, 409, 425, 429) or status >= 500 else "fatal"


def throttles(status: int | None, wait: float | None, kind: CompletionErrorKind) -> bool:
    """Tell whether an error asks for fewer requests, whatever they are."""
    return kind == "transient" and (status in (429, 529) or (status == 503 and wait is not None))


def read_error(status: int | None, headers: Mapping[str, str], body: Any, *, about: str = "") -> CompletionError:
    """Make the error of a response that is one: ``body`` is its JSON, or its text where it has none.

    ``headers`` are looked up in small letters. ``about`` is what to say of the key where it was refused.
    """
    said = shorten(error_text(body)) or "no reason was given"
    kind, wait = error_kind(status, said, error_codes(body)), retry_after(headers)
    prefix = f"HTTP {status}: {f'{about}: ' if about and status in (401, 403) else ''}" if status else ""
    return CompletionError(
        kind,
        said if kind in ("overflow", "refused") else prefix + said,
        retry_after=wait,
        throttled=throttles(status, wait, kind),
        quota=read_quota(headers),
    )


def is_overflow(text: str) -> bool:
    """Tell whether an error's text says that the prompt is longer than the context window."""
    return _OVERFLOW.search(text) is not None


_NO_PARAMETER = re.compile(
    r"un(supported|known|recogni[sz]ed|expected)|(not|n't) (be )?(support|permit|allow|accept|enabled)"
    r"|extra (input|field)|cannot find field",
    re.IGNORECASE,
)


def refused_params(text: str, names: Iterable[str]) -> list[str]:
    """Name the parameters, of those that were sent, that an error's text says a model doesn't take."""
    if not _NO_PARAMETER.search(text):
        return []
    return [name for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)]


# ---------------------------------------------------------------------------------------------- what headers say


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` (seconds, or an HTTP date) as seconds from now; ``retry-after-ms`` is more exact."""
    exact = _number(headers.get("retry-after-ms"))
    value = headers.get("retry-after")
    if exact is not None:
        return max(0.0, exact / 1000)
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # TypeError: a date without a time zone
        return None


def read_quota(headers: Mapping[str, str]) -> Quota | None:
    """Read what is left of the rate limit, from the headers of OpenAI's kind or Anthropic's; ``None``: they say nothing."""
    found = {
        "requests": _number(_either(headers, "x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining")),
        "requests_reset": _wait(_either(headers, "x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset")),
        "tokens": _number(_either(headers, "x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining")),
        "tokens_reset": _wait(_either(headers, "x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset")),
    }
    return Quota(**found) if any(value is not None for value in found.values()) else None


def _either(headers: Mapping[str, str], *names: str) -> str | None:
    return next((headers[name] for name in names if name in headers), None)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\s*-?[0-9]{1,15}(\.[0-9]+)?\s*", text) else None


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|µs|ns|d|h|m|s)")


def _wait(text: str | None) -> float | None:
    """Read a wait as seconds: ``12``, ``6m0s``, ``120ms``, or the moment when it is over, as Anthropic writes it."""
    if text is None:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text.strip():
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return max(0.0, (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
