"""Prompts, taken apart and composed.

A function's prompt is taken apart once, into pieces; a cell of the grid is then string filling:

1. BAML renders the prompt once, with marks around the schema text and a sentinel for the thread. Text between marks is
   ``schema``; before the first sentinel ``instructions``; after it ``question``.
2. The result is accepted only if filling it equals what BAML itself makes of the *unchanged* sources, for several probe threads.
   So a prompt that looks into its thread (``thread|upper``, ``thread|length``) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from phrasing.baml import LOST_MARK, SCHEMA_END, SCHEMA_MARK, Function
from phrasing.errors import BamlError
from phrasing.types import OFFERS_TOOLS, Message, Output, Piece, Prompt, Rendering, SegmentKind

SHOWS_SCHEMA: frozenset[Output] = frozenset({"prompted", "native"})
"""The outputs under which the schema text stays in the prompt."""

_SLOT = "\u2402t\u2403"
_PROBES = ("x", 'A {{ b }} "#\n  c' * 40, "é\U0001f600\n\n- d: 'e'\n<f>&amp;</f>" * 7)

Skeleton = tuple[tuple[str, tuple[Piece, ...]], ...]
"""Messages as (role, pieces). A ``thread`` piece is a slot: it has no text of its own."""


@dataclass(frozen=True)
class Template:
    """A function's prompt, taken apart."""

    function: Function
    messages: Skeleton

    @cached_property
    def schema(self) -> str:
        """What ``ctx.output_format`` shows in this prompt; empty where the prompt doesn't show it."""
        return "\n".join(piece.text for _, pieces in self.messages for piece in pieces if piece.kind == "schema")

    @cached_property
    def with_schema(self) -> Skeleton:
        """The messages as BAML sends them."""
        return _skeleton(self.messages, schema=True)

    @cached_property
    def without_schema(self) -> Skeleton:
        """The messages with the schema text cut out."""
        return _skeleton(self.messages, schema=False)


def take_apart(function: Function) -> Template:
    """Find the pieces of a function's prompt. Raises ``BamlError`` where that isn't exact."""
    messages = []
    before = True
    for role, text in function.render(_SLOT, marked=True):
        if LOST_MARK in text:
            raise BamlError(f"function {function.name!r} shows its schema by another name than ctx.output_format; write that")
        pieces: list[Piece] = []
        in_schema = False
        for part in re.split(f"({SCHEMA_MARK}|{SCHEMA_END}|{_SLOT})", text):
            if part in (SCHEMA_MARK, SCHEMA_END):
                in_schema = part == SCHEMA_MARK
            elif part == _SLOT:
                pieces.append(Piece("thread", ""))
                before = False
            elif part:
                kind: SegmentKind = "schema" if in_schema else "instructions" if before else "question"
                pieces.append(Piece(kind, part))
        messages.append((role, tuple(pieces)))
    template = Template(function, tuple(messages))
    if before:
        raise BamlError(f"function {function.name!r} doesn't show its thread as it is: write {{{{ thread }}}} in its prompt")
    for probe in _PROBES:
        verify(template, probe)
    return template


def verify(template: Template, thread: str) -> None:
    """Raise ``BamlError`` where filling in a thread gives another prompt than BAML itself."""
    function = template.function
    if [(m["role"], m["content"]) for m, _ in _fill(template.with_schema, thread)] != function.render(thread):
        raise BamlError(
            f"function {function.name!r} has a prompt that depends on what stands in its thread, or on whether the schema is "
            "shown; write {{ thread }} and {{ ctx.output_format }} without filters or conditions"
        )


def _skeleton(messages: Skeleton, *, schema: bool) -> Skeleton:
    """Cut the schema text or keep it; strip each message as BAML does; drop what is empty then."""
    kept = []
    for role, pieces in messages:
        stripped = _strip(tuple(piece for piece in pieces if schema or piece.kind != "schema"))
        if stripped:
            kept.append((role, stripped))
    return tuple(kept)


def _strip(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Strip the outer white space of a message made of pieces; a slot counts as text."""
    parts = list(pieces)
    while parts and parts[0].kind != "thread":
        parts[0] = Piece(parts[0].kind, parts[0].text.lstrip())
        if parts[0].text:
            break
        del parts[0]
    while parts and parts[-1].kind != "thread":
        parts[-1] = Piece(parts[-1].kind, parts[-1].text.rstrip())
        if parts[-1].text:
            break
        del parts[-1]
    return tuple(parts)


def compose(template: Template, rendering: Rendering, output: Output) -> Prompt:
    """Put a rendering where the thread stands in a prompt.

    Text fills the slot. Messages replace it: the text around it stays as messages of its own, never merged, empty ones dropped.
    Under ``native_bare``, ``tool`` and ``tool_auto`` the schema text is cut and nothing else changes. Raises ``BamlError`` where
    messages have no single slot in a user message to replace.
    """
    function = template.function
    skeleton = template.with_schema if output in SHOWS_SCHEMA else template.without_schema
    composed = list(_fill(skeleton, rendering) if isinstance(rendering, str) else _splice(function.name, skeleton, rendering))
    return Prompt(
        messages=tuple(message for message, _ in composed),
        pieces=tuple(pieces for _, pieces in composed),
        tools=function.tools if output in OFFERS_TOOLS else None,
        response_format=function.response_format if output in ("native", "native_bare") else None,
    )


def _fill(skeleton: Skeleton, thread: str) -> Iterator[tuple[Message, tuple[Piece, ...]]]:
    filler = Piece("thread", thread)
    for role, pieces in skeleton:
        filled = tuple(filler if piece.kind == "thread" else piece for piece in pieces)
        yield _message(role, filled)


def _splice(function: str, skeleton: Skeleton, thread: list[Message]) -> Iterator[tuple[Message, tuple[Piece, ...]]]:
    slots = [role for role, pieces in skeleton for piece in pieces if piece.kind == "thread"]
    if slots != ["user"]:
        raise BamlError(
            f"function {function!r} shows its thread in {', '.join(slots)} messages; "
            "to run it under a format that makes messages, {{ thread }} must stand once, in a user message"
        )
    for role, pieces in skeleton:
        at = next((i for i, piece in enumerate(pieces) if piece.kind == "thread"), None)
        if at is None:
            yield _message(role, pieces)
            continue
        if before := _strip(pieces[:at]):
            yield _message(role, before)
        for message in thread:
            yield message, (Piece("thread", message.get("content") or ""),)
        if after := _strip(pieces[at + 1 :]):
            yield _message(role, after)


def _message(role: str, pieces: tuple[Piece, ...]) -> tuple[Message, tuple[Piece, ...]]:
    return {"role": role, "content": "".join(piece.text for piece in pieces)}, pieces
