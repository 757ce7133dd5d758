"""What a chat template makes of a prompt: one text, and which part of the prompt each piece of that text is.

That is found by applying the template once more to the same messages with a mark in place of each content, each tool call's name
and its arguments: what stands between marks is framing. Then the text is walked along:

- A content stands there as it is, or stripped if the template strips. A template may also write one as JSON.
- Arguments are often written anew, with other blanks: they reach to the framing that follows.
- What the text has because tools are offered (held against the same without tools, without what both begin and end with)
  is ``schema``, the template's own words about tools included.

A template that writes a content in yet another way raises ``ModelError``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from phrasing.errors import ModelError, shorten
from phrasing.tokenizers.vocabulary import clean
from phrasing.types import Message, Piece, Prompt

Apply = Callable[[Sequence[Message], Sequence[dict[str, Any]] | None], str]
"""Writes messages, and tools if any are offered, as one text that ends where the answer begins."""

# Around a mark stand white space that everybody strips and white space that only Python strips: what is left says who stripped.
_MARK = re.compile(
    r"(?P<left>(?:\f|\\f|\\u000c)?(?:\xa0|\\u00a0)?)zqx(?P<n>[0-9]+)xqz(?P<right>(?:\xa0|\\u00a0)?(?:\f|\\f|\\u000c)?)", re.I
)
_KEPT, _SOME_STRIPPED, _STRIPPED = "\f\xa0", "\xa0", ""
_ASCII_SPACE = " \t\n\r\f\v"


@dataclass(frozen=True, slots=True)
class _Literal:
    """Text of the template's own; ``schema``: it is there because tools are offered."""

    text: str
    schema: bool


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a part of a message stands. ``left`` and ``right`` are what of a mark's white space was kept there.

    ``call`` is the number of a tool call whose name stands here. ``gap``: the text isn't that of the message, letter by letter.
    """

    message: int
    call: int | None = None
    left: str = _KEPT
    right: str = _KEPT
    gap: bool = False


_Item = _Literal | _Slot


Part = tuple[int | None, str]
"""A part of a text, and the number of the piece that it belongs to; ``None``: framing."""


class Layout:
    """A chat template that says where it puts what. ``name`` is the tokenizer's, for errors."""

    def __init__(self, name: str, apply: Apply) -> None:
        self.name = name
        self._apply = apply
        # prompts of one format often differ in their contents only
        self._skeletons = lru_cache(maxsize=256)(self._skeleton)

    def read(self, prompt: Prompt) -> tuple[list[Part], tuple[Piece, ...]]:
        """Give the text of a prompt in parts, in order, and the pieces they belong to: first what tools add, if there are any."""
        parts = list(self._walk(prompt, clean(self._apply(prompt.messages, prompt.tools))))
        pieces = tuple(piece for run in prompt.pieces for piece in run)
        if prompt.tools:
            shown = [i for i, (owner, _) in enumerate(parts) if owner == 0] or [0]
            pieces = (Piece("schema", "".join(text for _, text in parts[shown[0] : shown[-1] + 1])), *pieces)
        return parts, pieces

    # ------------------------------------------------------------------------------------------ the text, part by part

    def _walk(self, prompt: Prompt, text: str) -> Iterator[Part]:
        items = self._skeletons(json.dumps([_marked(prompt.messages), prompt.tools]))
        first = [1 if prompt.tools else 0]
        for run in prompt.pieces:
            first.append(first[-1] + len(run))
        fixed = [None if isinstance(item, _Slot) and item.gap else list(_fixed(item, prompt, first)) for item in items]
        at = 0
        for i, parts in enumerate(fixed):
            if parts is not None:
                for owner, part in parts:
                    if not text.startswith(part, at):
                        raise self._differs(text, at, part)
                    at += len(part)
                    yield owner, part
                continue
            item = items[i]
            assert isinstance(item, _Slot)
            end = self._end_of_gap(text, at, fixed[i + 1 :])
            yield from self._gap(item, prompt, first[item.message], text[at:end])
            at = end
        if at != len(text):
            raise self._differs(text, at, "")

    def _end_of_gap(self, text: str, at: int, following: Sequence[list[Part] | None]) -> int:
        """Find where what follows a gap, up to the next one, begins."""
        wanted = []
        for parts in following:
            if parts is None:
                break
            wanted += [part for _, part in parts]
        run, last = "".join(wanted), None not in following
        end = len(text) - len(run) if last else text.find(run, at)
        if end < at or not (run or last):
            raise self._differs(text, at, run)
        return end

    def _gap(self, slot: _Slot, prompt: Prompt, first: int, text: str) -> Iterator[Part]:
        """Cut a text that a template wrote anew as its message is cut: arguments belong to the first piece."""
        pieces = prompt.pieces[slot.message]
        if slot.call is not None or len(pieces) == 1:
            yield first, text
            return
        written = [json.dumps(clean(piece.text), ensure_ascii=False)[1:-1] for piece in pieces]
        if "".join(written) != text:
            raise self._differs(text, 0, "".join(written))
        yield from enumerate(written, first)

    def _differs(self, text: str, at: int, wanted: str) -> ModelError:
        shown = shorten(repr(wanted[:60])) if wanted else "the end"
        return ModelError(
            f"tokenizer {self.name!r}: its chat template changes what a message says: wanted {shown} at character {at} of the "
            f"prompt, found {shorten(repr(text[at : at + 60]))}; such a prompt can't be counted by part"
        )

    # ------------------------------------------------------------------------------------------ the template, taken apart

    def _skeleton(self, key: str) -> tuple[_Item, ...]:
        messages, tools = json.loads(key)
        full = self._apply(messages, tools)
        parts = _parts(messages)
        slots = []
        for match in _MARK.finditer(full):
            message, call, arguments = parts[int(match["n"])]
            if arguments:
                continue
            left, right = match["left"], match["right"][::-1]
            gap = not {left, right} <= {_KEPT, _SOME_STRIPPED, _STRIPPED}
            slots.append((match.start(), match.end(), _Slot(message, call, left, right, gap)))
        if any(arguments for _, _, arguments in parts):
            slots += self._arguments(messages, tools, full, parts)
        slots.sort(key=lambda slot: slot[0])
        begin, end = _inserted(full, self._apply(messages, None)) if tools else (0, 0)
        items: list[_Item] = []
        at = 0
        for start, stop, slot in [*slots, (len(full), len(full), None)]:
            for a, b, schema in ((0, begin, False), (begin, end, True), (end, len(full), False)):
                if text := full[max(a, at) : min(b, start)]:
                    items.append(_Literal(text, schema))
            items += [slot] if slot else []
            at = stop
        return tuple(items)

    def _arguments(
        self, messages: list[Message], tools: list[dict[str, Any]] | None, full: str, parts: Sequence[_Marked]
    ) -> Iterator[tuple[int, int, _Slot]]:
        """Find arguments by what is missing, between two marks, where calls have none."""
        bare = self._apply(_without_arguments(messages), tools)
        one, other = ([m for m in _MARK.finditer(text) if not parts[int(m["n"])][2]] for text in (full, bare))
        if [m["n"] for m in one] != [m["n"] for m in other]:
            raise ModelError(f"tokenizer {self.name!r}: its chat template writes calls without arguments in another order")
        ends = [(0, 0), *((m.end(), o.end()) for m, o in zip(one, other, strict=True))]
        starts = [*((m.start(), o.start()) for m, o in zip(one, other, strict=True)), (len(full), len(bare))]
        for (a, b), (c, d) in zip(ends, starts, strict=True):
            with_them, without = full[a:c], bare[b:d]
            if with_them == without:
                continue
            begin, end = _inserted(with_them, without)
            if with_them[:begin].endswith("{") and with_them[end:].startswith("}"):
                begin, end = begin - 1, end + 1
            mark = _MARK.search(with_them, begin, end)
            if mark is None:
                raise ModelError(f"tokenizer {self.name!r}: its chat template writes something else for arguments: {with_them!r}")
            message, call, _ = parts[int(mark["n"])]
            yield a + begin, a + end, _Slot(message, call, gap=True)


# ---------------------------------------------------------------------------------------------- marks


_Marked = tuple[int, int | None, bool]
"""What a mark stands for: the number of a message, that of a call in it, and whether its arguments or its name (or content)."""


def _word(n: int) -> str:
    return f"zqx{n}xqz"


def _marked(messages: Sequence[Message]) -> list[Message]:
    """Put marks in place of what messages say. Equal results: messages of one shape."""
    marked, n = [], 0
    for message in messages:
        shape = dict(message)
        if message.get("content"):
            shape["content"] = f"{_KEPT}{_word(n)}{_KEPT[::-1]}"
            n += 1
        if message.get("tool_calls"):
            shape["tool_calls"] = []
            for call in message["tool_calls"]:
                function = {**call["function"], "name": _word(n), "arguments": json.dumps({_word(n + 1): 0})}
                shape["tool_calls"].append({**call, "function": function})
                n += 2
        marked.append(shape)
    return marked


def _parts(marked: Sequence[Message]) -> list[_Marked]:
    """List what each mark stands for."""
    parts: list[_Marked] = []
    for i, message in enumerate(marked):
        parts += [(i, None, False)] if message.get("content") else []
        for j in range(len(message.get("tool_calls") or ())):
            parts += [(i, j, False), (i, j, True)]
    return parts


def _without_arguments(marked: Sequence[Message]) -> list[Message]:
    bare = []
    for message in marked:
        calls = [{**call, "function": {**call["function"], "arguments": "{}"}} for call in message.get("tool_calls") or ()]
        bare.append({**message, **({"tool_calls": calls} if calls else {})})
    return bare


def _inserted(longer: str, shorter: str) -> tuple[int, int]:
    """Say where ``longer`` has something that ``shorter`` hasn't: what both begin with goes first, then what both end with."""
    begin = _alike(longer, shorter)
    return begin, len(longer) - _alike(longer[begin:][::-1], shorter[begin:][::-1])


def _alike(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _fixed(item: _Item, prompt: Prompt, first: Sequence[int]) -> Iterator[Part]:
    """Give what must stand at an item, in parts, each with the number of its piece."""
    if isinstance(item, _Literal):
        yield (0 if item.schema else None), item.text
    elif item.call is not None:
        yield first[item.message], prompt.messages[item.message]["tool_calls"][item.call]["function"]["name"]
    else:
        texts = [clean(piece.text) for piece in prompt.pieces[item.message]]
        whole = "".join(texts)
        begin = len(whole) - len(_strip(whole, item.left, str.lstrip))
        end = len(_strip(whole, item.right, str.rstrip))
        at = 0
        for owner, text in enumerate(texts, first[item.message]):
            yield owner, whole[max(at, begin) : min(at + len(text), end)]
            at += len(text)


def _strip(text: str, left_over: str, strip: Callable[[str, str | None], str]) -> str:
    """Strip one end of a text as the template did with a mark."""
    return text if left_over == _KEPT else strip(text, _ASCII_SPACE if left_over == _SOME_STRIPPED else None)
