"""Prompts, taken apart and composed.

A function's prompt is taken apart once, into pieces; a cell of the grid is then string filling:

1. BAML renders the prompt once, with marks around the schema text and a sentinel for the thread. Text between marks is
   ``schema``; before the first sentinel ``instructions``; after it ``question``. A function that takes examples is rendered with
   a sentinel for them, and once more without any: a prompt may say something only where there are some.
2. The result is accepted only if filling it equals what BAML itself makes of the *unchanged* sources, for several probes. So a
   prompt that looks into its thread (``thread|upper``, ``thread|length``) or its examples is refused.

A function that takes messages writes them itself. A text is one message of the user's, and fills the slot; of messages BAML
renders each prompt anew, with marks around the contents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from phrasing.baml.project import Function
from phrasing.baml.sources import LOST_MARK, SCHEMA_END, SCHEMA_MARK
from phrasing.errors import BamlError
from phrasing.prompts.verified import Passed, Verified
from phrasing.types import OFFERS_TOOLS, Message, Mode, Output, Piece, Prompt, Rendering, SegmentKind, canonical_json, mode_of

SHOWS_SCHEMA: frozenset[Mode] = frozenset({"prompted", "native"})
"""The outputs under which the schema text stays in the prompt."""

_SLOTS: dict[str, SegmentKind] = {"\u2402t\u2403": "thread", "\u2402e\u2403": "examples"}
"""Sentinels, and what takes their place."""
_THREAD, _EXAMPLES = _SLOTS
_OPEN, _CLOSE = "\u2402T\u2403", "\u2402/T\u2403"
"""What stands around the content of a message, where BAML renders messages."""
_TALK: tuple[Message, ...] = (
    {"role": "user", "content": "x"},
    {"role": "assistant", "content": "y"},
    {"role": "user", "content": "z"},
)
_TIMES = 12
"""How often more a prompt is rendered that may write a class or a map: two fields keep their order so often once in 4,096."""
_PROBES = ("x", 'A {{ b }} "#\n  c' * 40, "é\U0001f600\n\n- d: 'e'\n<f>&amp;</f>" * 7)

Skeleton = tuple[tuple[str, tuple[Piece, ...]], ...]
"""Messages as (role, pieces). A ``thread`` or ``examples`` piece is a slot: it has no text of its own."""


@dataclass(frozen=True)
class Template:
    """A function's prompt, taken apart: ``messages`` with a slot for examples, ``plain`` as it is without any.

    ``noted`` gives the text that is shown in place of BAML's own for the schema; ``None``: that is shown.
    """

    function: Function
    messages: Skeleton
    plain: Skeleton
    noted: Callable[[str], str] | None = None

    @cached_property
    def schema(self) -> str:
        """What ``ctx.output_format`` shows in this prompt; empty where the prompt doesn't show it."""
        return "\n".join(piece.text for _, pieces in self.messages for piece in pieces if piece.kind == "schema")

    @cached_property
    def skeletons(self) -> Mapping[tuple[bool, bool], Skeleton]:
        """The messages as BAML sends them, by whether the schema text is in them, and a slot for examples."""
        both = {True: self.messages, False: self.plain}
        return {(schema, shown): _skeleton(both[shown], schema=schema) for schema in (True, False) for shown in both}


def take_apart(function: Function) -> Template:
    """Find the pieces of a function's prompt. Raises ``BamlError`` where that isn't exact."""
    _check_order(function)
    plain = _pieces(function, "")
    messages = _pieces(function, _EXAMPLES) if function.takes_examples else plain
    for skeleton in (plain, messages):
        if not _slots(skeleton, "thread"):
            shown = f"{{{{ {function.thread} }}}}"
            if function.filling is not None and function.filling.messages is not None:
                content = f"{{{{ m.{function.filling.messages.content} }}}}"
                shown = f"{{% for m in {function.thread} %}}{{{{ _.role(m.role) }}}} {content}{{% endfor %}}"
            raise BamlError(f"function {function.name!r} doesn't show its thread as it is: write {shown} in its prompt")
    if function.takes_examples and not _slots(messages, "examples"):
        raise BamlError(
            f"function {function.name!r} doesn't show its examples as they are: write {{{{ examples }}}} in its prompt"
        )
    template = Template(function, messages, plain)
    for probe in _PROBES:
        for examples in ("", *(_PROBES if function.takes_examples else ())):
            verify(template, probe, examples)
    return template


def own_text(template: Template) -> str:
    """Give what a prompt says itself: neither the schema, nor what fills it."""
    kinds = ("instructions", "question")
    return " ".join(piece.text for _, pieces in template.messages for piece in pieces if piece.kind in kinds)


def with_schema(template: Template, shown: Callable[[str], str]) -> Template:
    """Give a template that shows another text for the schema, made of BAML's own. Raises ``BamlError`` where it shows none."""
    if not template.schema:
        raise BamlError(f"function {template.function.name!r} doesn't show ctx.output_format, where a notation would stand")
    return Template(template.function, _noted(template.messages, shown), _noted(template.plain, shown), shown)


def _noted(skeleton: Skeleton, shown: Callable[[str], str] | None) -> Skeleton:
    if shown is None:
        return skeleton
    return tuple(
        (role, tuple(Piece("schema", shown(piece.text)) if piece.kind == "schema" else piece for piece in pieces))
        for role, pieces in skeleton
    )


def _check_order(function: Function) -> None:
    """Refuse a prompt that BAML writes in another order each time, which is so where it shows a class or a map as a whole."""
    if not function.wholes:
        return
    thread: str | Sequence[Message] = _TALK if function.takes_messages else _THREAD
    first = function.render(thread, _EXAMPLES)
    if any(function.render(thread, _EXAMPLES) != first for _ in range(_TIMES)):
        listed = " or ".join(function.wholes)
        raise BamlError(
            f"function {function.name!r} has a prompt that comes out otherwise each time: it writes {listed}, or a class or "
            "a map in it, as a whole, and BAML puts the fields of those in any order; write the fields one by one"
        )


def _pieces(function: Function, examples: str) -> Skeleton:
    """Let BAML render the prompt with marks and sentinels, and cut it at them."""
    messages = []
    before = True
    for role, text in function.render(_THREAD, examples, marked=True):
        if LOST_MARK in text:
            raise BamlError(f"function {function.name!r} shows its schema by another name than ctx.output_format; write that")
        pieces: list[Piece] = []
        in_schema = False
        for part in re.split(f"({'|'.join((SCHEMA_MARK, SCHEMA_END, *_SLOTS))})", text):
            if part in (SCHEMA_MARK, SCHEMA_END):
                in_schema = part == SCHEMA_MARK
            elif part in _SLOTS:
                pieces.append(Piece(_SLOTS[part], ""))
                before = before and part != _THREAD
            elif part:
                kind: SegmentKind = "schema" if in_schema else "instructions" if before else "question"
                pieces.append(Piece(kind, part))
        messages.append((role, tuple(pieces)))
    return tuple(messages)


def _slots(skeleton: Skeleton, *kinds: SegmentKind) -> list[tuple[SegmentKind, str]]:
    """List the slots of these kinds, in order, with the roles of the messages they stand in."""
    return [(piece.kind, role) for role, pieces in skeleton for piece in pieces if piece.kind in kinds]


def verify(template: Template, thread: str, examples: str = "", passed: Passed | None = None) -> None:
    """Raise ``BamlError`` where filling in a thread, and examples, gives another prompt than BAML itself.

    ``passed`` is what ``remembered`` gives for the template: BAML isn't asked again what it was asked before.
    """
    function = template.function
    composed = compose(template, thread, "prompted", examples=examples).messages
    filled = [(message["role"], message["content"]) for message in composed]

    def ask() -> None:
        if filled != function.render(thread, examples):
            what, shown = ("thread", f"{{{{ {function.thread} }}}}")
            if function.takes_messages:
                shown = f"the content of each of {function.thread}"
            if function.takes_examples:
                what, shown = "thread or its examples", f"{shown}, {{{{ examples }}}}"
            raise BamlError(
                f"function {function.name!r} has a prompt that depends on what stands in its {what}, or on whether the schema is "
                f"shown; write {shown} and {{{{ ctx.output_format }}}} without filters or conditions"
            )

    if passed is None:
        ask()
    else:
        passed.once([thread, examples, *(part for message in filled for part in message)], ask)


def verify_messages(template: Template, messages: Sequence[Message], examples: str = "", passed: Passed | None = None) -> None:
    """Raise ``BamlError`` where what BAML makes of messages can't be taken apart; only of a function that takes some.

    ``passed`` is what ``remembered`` gives for the template.
    """

    def ask() -> None:
        compose(template, [*messages], "prompted", examples=examples)

    if passed is None:
        ask()
    else:
        passed.once(["messages", canonical_json(messages), examples], ask)


def remembered(template: Template, verified: Verified) -> Passed:
    """Give what passed of a template: what BAML makes of a thread depends on its sources, the function and what fills it."""
    function = template.function
    assert function.filling is not None, "only a filled function can be verified"
    filling = canonical_json([function.filling.thread, function.filling.takes_examples, dict(function.filling.given)])
    return verified.of("prompt", function.digest, function.name, filling)


def _skeleton(messages: Skeleton, *, schema: bool) -> Skeleton:
    """Cut the schema text or keep it; strip each message as BAML does; drop what is empty then.

    BAML has stripped the text outside of marks already, or left it as it is, where a prompt names no role.
    """
    kept = []
    for role, pieces in messages:
        left, right = (not schema or pieces[i].kind == "schema" for i in (0, -1))
        stripped = _strip(tuple(piece for piece in pieces if schema or piece.kind != "schema"), left=left, right=right)
        if stripped:
            kept.append((role, stripped))
    return tuple(kept)


def _strip(pieces: tuple[Piece, ...], *, left: bool = True, right: bool = True) -> tuple[Piece, ...]:
    """Strip the outer white space of a message made of pieces; a slot counts as text."""
    parts = list(pieces)
    while left and parts and parts[0].kind not in _SLOTS.values():
        parts[0] = Piece(parts[0].kind, parts[0].text.lstrip())
        if parts[0].text:
            break
        del parts[0]
    while right and parts and parts[-1].kind not in _SLOTS.values():
        parts[-1] = Piece(parts[-1].kind, parts[-1].text.rstrip())
        if parts[-1].text:
            break
        del parts[-1]
    return tuple(parts)


def compose(template: Template, rendering: Rendering, output: Output, *, examples: Rendering = "") -> Prompt:
    """Put a rendering where the thread stands in a prompt, and that of examples where they stand, if the function takes any.

    Text fills a slot. Messages replace it: the text around it stays as messages of its own, never merged, empty ones dropped.
    Under ``native_bare``, ``tool`` and ``tool_auto`` the schema text is cut and nothing else changes; the notations of an output
    are those of its template. Raises ``BamlError`` where
    messages have no single slot in a user message to replace.
    """
    function = template.function
    shows = mode_of(output) in SHOWS_SCHEMA
    skeleton = template.skeletons[shows, bool(examples) and function.takes_examples]
    fillings: dict[SegmentKind, Rendering] = {"thread": rendering, "examples": examples}
    if function.takes_messages and not isinstance(rendering, str):
        skeleton, fillings = _noted(_written(function, rendering, examples, schema=shows), template.noted), {}
    elif not isinstance(rendering, str):
        _check_slots(function, skeleton)
    composed = list(_fill(skeleton, fillings))
    tools, response_format = enforced(function, output)
    return Prompt(
        messages=tuple(message for message, _ in composed),
        pieces=tuple(pieces for _, pieces in composed),
        tools=tools,
        response_format=response_format,
    )


def _written(function: Function, messages: Sequence[Message], examples: Rendering, *, schema: bool) -> Skeleton:
    """Let BAML write messages, and find the pieces of what it makes of them. Raises ``BamlError`` where that isn't exact."""
    if not isinstance(examples, str):
        raise BamlError(f"function {function.name!r} takes messages, and its examples are text; use a format that makes text")
    told = _told(function, messages)
    marked = [{**message, "content": f"{_OPEN}{(message['content'] or '').strip()}{_CLOSE}"} for message in told]
    found, closed = [], 0
    for role, text in function.render(marked, _EXAMPLES if examples else "", marked=True):
        pieces: list[Piece] = []
        kind: SegmentKind
        inside = in_schema = False
        for part in re.split(f"({'|'.join((SCHEMA_MARK, SCHEMA_END, _OPEN, _CLOSE, _EXAMPLES))})", text):
            if part in (SCHEMA_MARK, SCHEMA_END):
                in_schema = part == SCHEMA_MARK
            elif part in (_OPEN, _CLOSE):
                inside = part == _OPEN
                closed += part == _CLOSE
            elif part == _EXAMPLES:
                pieces.append(Piece("examples", str(examples)))
            elif part:
                between: SegmentKind = "thread" if closed < len(marked) else "question"
                kind = "schema" if in_schema else "thread" if inside else between if closed else "instructions"
                pieces.append(Piece(kind, part))
        found.append((role, tuple(pieces)))
    whole = [(role, "".join(piece.text for piece in pieces)) for role, pieces in _skeleton(tuple(found), schema=True)]
    if whole != function.render(told, examples):
        raise BamlError(
            f"function {function.name!r} has a prompt that depends on what its messages say, or on whether the schema is shown; "
            "write their content and {{ ctx.output_format }} without filters or conditions"
        )
    return _skeleton(tuple(found), schema=schema)


def _told(function: Function, messages: Sequence[Message]) -> list[Message]:
    """Write tool calls and their results as text, which is all that a message of BAML's holds: as an answer, and by name."""
    tag, names, told = next(iter(function.tags), "intent"), dict[str, str](), list[Message]()
    for message in messages:
        if message["role"] == "tool":
            result = f"{names.get(message['tool_call_id'], 'tool')}_result"
            content = message.get("content")
            told.append({"role": "user", "content": f"{{{_compact(result)}:{content}}}" if content else ""})
            continue
        texts = [message.get("content") or ""]
        for call in message.get("tool_calls", ()):
            names[call["id"]] = call["function"]["name"]
            texts.append(_compact({tag: call["function"]["name"], **json.loads(call["function"]["arguments"])}))
        told.append({"role": message["role"], "content": "\n\n".join(filter(None, texts))})
    return [message for message in told if (message["content"] or "").strip()]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def enforced(function: Function, output: Output) -> tuple[tuple[dict[str, Any], ...] | None, dict[str, Any] | None]:
    """Give what is sent beside the messages under an output mode: tools, and a schema to enforce.

    Raises ``BamlError`` where the API refuses the name of a tool.
    """
    tools = function.tools if output in OFFERS_TOOLS else None
    return tools, function.response_format if output in ("native", "native_bare") else None


def _check_slots(function: Function, skeleton: Skeleton) -> None:
    """Refuse a prompt in which messages can't take the place of the slots."""
    slots: dict[SegmentKind, str] = {"thread": function.thread, "examples": "examples"}
    for kind, shown in slots.items():
        roles = [role for _, role in _slots(skeleton, kind)]
        if roles != ["user"] and (roles or kind == "thread"):
            raise BamlError(
                f"function {function.name!r} shows its {kind} in {', '.join(roles)} messages; "
                f"to run it under a format that makes messages, {{{{ {shown} }}}} must stand once, in a user message"
            )
    if _slots(skeleton, "thread", "examples")[0][0] == "thread" and _slots(skeleton, "examples"):
        raise BamlError(
            f"function {function.name!r} shows its examples after its thread; "
            f"to run it under a format that makes messages, {{{{ examples }}}} must stand before {{{{ {function.thread} }}}}"
        )


def _fill(skeleton: Skeleton, renderings: Mapping[SegmentKind, Rendering]) -> Iterator[tuple[Message, tuple[Piece, ...]]]:
    for role, pieces in skeleton:
        run: tuple[Piece, ...] = ()
        split = False
        for piece in pieces:
            filling = renderings.get(piece.kind, piece.text)
            if isinstance(filling, str):
                run += (Piece(piece.kind, filling),)
                continue
            yield from _message(role, _strip(run))
            for message in filling:
                yield message, (Piece(piece.kind, message.get("content") or ""),)
            run, split = (), True
        yield from _message(role, _strip(run) if split else run)


def _message(role: str, pieces: tuple[Piece, ...]) -> Iterator[tuple[Message, tuple[Piece, ...]]]:
    """Make a message of pieces, if there are any."""
    if pieces:
        yield {"role": role, "content": "".join(piece.text for piece in pieces)}, pieces
