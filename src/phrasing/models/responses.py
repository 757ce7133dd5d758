"""Read what a provider sent back: an answer, or what an error means. Values in, values out."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from phrasing.types import Completion, Request, ToolCall, Usage, canonical_json

_OVERFLOW = re.compile(
    r"exceed_context_size|context_length_exceeded|exceeds? the (available |maximum |model's )?context|maximum context length"
    r"|(prompt|input) is too long|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)


class BadAnswer(Exception):
    """The endpoint answered 200 with something that isn't an answer."""


# ---------------------------------------------------------------------------------------------- what came back


def read_answer(response: Any) -> Completion:
    """Read litellm's response. What only the asker knows (latency, cost, attempts) is left out. Raises ``BadAnswer``.

    A refusal that comes beside the text (OpenAI's ``refusal``) is given as the text, with ``finish_reason`` ``content_filter``.
    """
    choices = getattr(response, "choices", None)
    if not choices:
        raise BadAnswer("the answer holds no choices")
    message, finish = choices[0].message, choices[0].finish_reason
    text = message.content or ""
    refusal = (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
    if refusal and not text:
        text, finish = str(refusal), "content_filter"
    usage = Usage()
    said = getattr(response, "usage", None)
    if said is not None and said.total_tokens:  # litellm writes 0 where the provider says nothing
        usage = Usage(
            prompt=count(said.prompt_tokens),
            completion=count(said.completion_tokens),
            cached=count(getattr(said.prompt_tokens_details, "cached_tokens", None)),
            reasoning=count(getattr(said.completion_tokens_details, "reasoning_tokens", None)),
        )
    return Completion(
        text=text,
        tool_calls=tuple(
            ToolCall(name=call.function.name or "", arguments=_as_text(call.function.arguments))
            for call in message.tool_calls or ()
        ),
        finish_reason=finish,
        usage=usage,
    )


def count(said: object) -> int | None:
    """Read a count of tokens; ``None`` for what can't be one, such as a text, -12, or more than 64 bits hold."""
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 2**63 else None


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else canonical_json(arguments)


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


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


REFUSAL_CODES = frozenset({"content_policy_violation", "content_filter"})


def error_codes(error: Exception) -> set[str]:
    """Return the ``code`` and ``type`` that the provider gave beside its message, where the library kept them."""
    body = getattr(error, "body", None)
    body = body.get("error", body) if isinstance(body, Mapping) else None
    return {str(body[name]) for name in ("code", "type") if body.get(name)} if isinstance(body, Mapping) else set()


def dead_address(error: Exception) -> str | None:
    """Name the address where nobody listens (refused, or no such host), or return ``None`` for every other error."""
    chain = list(_causes(error))
    if not any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in chain):
        return None
    hosts = (f"{cause.host}:{cause.port}" for cause in chain if hasattr(cause, "host") and hasattr(cause, "port"))
    return next(hosts, "the provider")


def retry_after(error: Exception) -> float | None:
    """Read ``Retry-After`` (seconds, or an HTTP date) as seconds from now."""
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # TypeError: a date without a time zone
        return None


def is_overflow(text: str) -> bool:
    """Tell whether an error's text says that the prompt is longer than the context window."""
    return _OVERFLOW.search(text) is not None
