"""Whether the requests in a log are what would be composed here, to the byte; and where they first differ, if they aren't.

A request is composed of a thread, and a log holds no thread, but what a format made of one. So a thread is looked for that the
request may have been made of, in this order: what ``phrasing import`` makes of its messages; what stands in the request, taken
apart (``importers.embedded``); the cases of the suite. Where one of them gives the logged request, byte by byte, it is equal.

Not compared are parameters such as the temperature or ``tool_choice``, and what names a call: ids that a provider made up are
numbered in both. ``tools`` and ``response_format`` are compared with the order of their keys.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from phrasing.errors import BamlError, FormatError
from phrasing.importers import embedded
from phrasing.importers.cases import Said
from phrasing.importers.conversation import Sent
from phrasing.importers.embedded import Events, Slot
from phrasing.plan.resolve import Plan
from phrasing.prompts import edits, formats, template
from phrasing.suite.dataset import infer_roles
from phrasing.types import NO_EDIT, Message, Output, Piece, Prompt, Rendering, Thread, Variant, write_axes

Source = Literal["import", "request", "case"]
"""Where the thread comes from that gives the logged request."""

_BESIDE = frozenset(("tools", "response_format"))
_MARKS = ("\ue000\ue001", "\ue000\ue002", "\ue000\ue003")
_MARK = _MARKS[0]


class Part(NamedTuple):
    """A text of a request: ``message`` counts from 1, and is 0 for what stands beside the messages; ``what`` names it."""

    message: int
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference of two requests: ``what`` part of which ``message`` (0: none), at which ``byte`` of it, from 1.

    ``logged`` and ``composed`` are the whole texts there, ``None`` where one has no such part. ``segment`` is what of the prompt
    stands there. ``only_space``: without white space the requests are equal. ``only_order``: but for the order of keys.
    """

    message: int
    role: str
    what: str
    byte: int
    segment: str
    logged: str | None
    composed: str | None
    only_space: bool = False
    only_order: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request under one composition: the ``source`` of the thread that gives it, or the first ``difference``.

    ``unread``: no thread could be taken out of the request's text; ``difference`` is ``None`` then where all around it is equal.
    """

    source: Source | None = None
    difference: Difference | None = None
    unread: bool = False


class Composition(NamedTuple):
    """How requests are composed: for the cases of which dataset, by which axes of a variant."""

    dataset: str
    function: str
    edit: str
    format: str
    output: Output

    @property
    def name(self) -> str:
        """Write its axes as a variant's, without the model."""
        return write_axes(self[1:])


def compositions(plan: Plan, function: str | None = None) -> list[Composition]:
    """List what a suite would compose, each once, whatever the model."""
    found = (
        Composition(dataset, name, variant.edit, variant.format, variant.output)
        for variant, datasets in plan.variants.items()
        for dataset in datasets
        for name in plan.agents[dataset].labels[variant.function]
        if function in (None, variant.function, name)
    )
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------------------------------------- requests as texts


def parts(
    messages: Iterable[Mapping[str, Any]], tools: object, response_format: object, unsaid: frozenset[str] = frozenset()
) -> list[Part]:
    """Write a request as texts, in order. Calls are numbered by where they are first named; ``unsaid`` fields are left out."""
    numbers: dict[str, str] = {}
    made = []
    for number, message in enumerate(messages, start=1):
        made.append(Part(number, "role", message["role"]))
        made.append(Part(number, "name", message.get("name") or ""))
        made.append(Part(number, "content", message.get("content") or ""))
        for call in message.get("tool_calls", ()):
            named = numbers.setdefault(call["id"], f"call {len(numbers) + 1}")
            made.append(Part(number, "call", f"{named}: {call['function']['name']}({call['function']['arguments']})"))
        if call := message.get("tool_call_id"):
            made.append(Part(number, "answers", numbers.setdefault(call, f"call {len(numbers) + 1}")))
    beside = {"tools": tools, "response_format": response_format}
    made += [Part(0, name, _json(value)) for name, value in beside.items() if name not in unsaid]
    return made


def _json(value: object) -> str:
    return "" if not value else json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _of(sent: Sent) -> list[Part]:
    return parts(sent.messages, sent.tools, sent.response_format, sent.unsaid)


def _in(prompt: Prompt, unsaid: frozenset[str]) -> list[Part]:
    return parts(prompt.messages, prompt.tools, prompt.response_format, unsaid)


def reach(logged: Sequence[Part], composed: Sequence[Part]) -> tuple[int, int]:
    """Count how far two requests are equal: whole parts, and characters of the next."""
    whole = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(logged, composed, strict=False)))
    if whole >= min(len(logged), len(composed)) or logged[whole][:2] != composed[whole][:2]:
        return whole, 0
    return whole, _shared(logged[whole].text, composed[whole].text)


def _shared(one: str, other: str) -> int:
    """Count the characters that two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _difference(sent: Sent, prompt: Prompt) -> Difference:
    """Say where a logged request and a composed one, which aren't equal, differ first."""
    logged, composed = _of(sent), _in(prompt, sent.unsaid)
    whole, at = reach(logged, composed)
    one = logged[whole] if whole < len(logged) else None
    other = composed[whole] if whole < len(composed) else None
    if one is not None and other is not None and one[:2] != other[:2]:
        # a message of one has ended where the other's goes on
        one, other = (None, other) if (one.message or 1e9) > (other.message or 1e9) else (one, None)
    if one is None or other is None:
        # of a message that only one has, its text says more than its role
        whole_message = [p for p in (logged if one else composed) if p.message == (one or other or Part(0, "", "")).message]
        said = next((p for p in whole_message if p.what == "content"), one or other)
        one, other = (said, None) if one else (None, said)
    part = one or other
    assert part is not None
    text = part.text[:at]
    rest = [part.text[at:] if part else "" for part in (one, other)]
    shared = _shared_bytes(*rest)
    role = next((p.text for p in (logged, composed)[one is None] if p.message == part.message and p.what == "role"), "")
    return Difference(
        message=part.message,
        role=role,
        what=part.what,
        byte=len(text.encode("utf-8", "surrogatepass")) + shared + 1,
        segment=_segment(prompt, part, at),
        logged=one.text if one else None,
        composed=other.text if other else None,
        only_space=_bare(logged) == _bare(composed),
        only_order=part.message == 0 and one is not None and other is not None and _sorted(one.text) == _sorted(other.text),
    )


def _shared_bytes(one: str, other: str) -> int:
    """Count the bytes that two characters which differ begin with alike."""
    pairs = zip(one[:1].encode("utf-8", "surrogatepass"), other[:1].encode("utf-8", "surrogatepass"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _bare(found: Sequence[Part]) -> list[Part]:
    return [part._replace(text="".join(part.text.split())) for part in found]


def _sorted(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True) if text else ""


def _segment(prompt: Prompt, part: Part, at: int) -> str:
    """Name what of the prompt stands at a character of a part; ``thread`` for messages that a format made."""
    if not part.message:
        return part.what
    if part.message > len(prompt.messages):
        return "end"
    pieces = prompt.pieces[part.message - 1]
    if part.what != "content":
        return pieces[0].kind if pieces else "thread"
    return _piece_at(pieces, at).kind if pieces else "thread"


def _piece_at(pieces: Sequence[Piece], at: int) -> Piece:
    end = 0
    for piece in pieces:
        end += len(piece.text)
        if at < end:
            return piece
    return pieces[-1]


# ---------------------------------------------------------------------------------------------- threads


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around a thread: a prompt with marks in its place, the ``number`` of the message that it begins in, how many
    messages come ``behind`` those it stands in, and what stands ``before`` and ``after`` it in its own. ``apart``: it stands
    there once, as it is; or each of its messages is one.
    """

    prompt: Prompt
    number: int
    behind: int
    before: str
    after: str
    apart: bool

    def of(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give the messages that the thread of such a prompt stands in."""
        return messages[self.number : len(messages) - self.behind]


class Composer:
    """Composes requests in one way, of threads that logged requests may have been made of."""

    def __init__(self, plan: Plan, composition: Composition, said: Said) -> None:
        self._plan, self._composition, self._said = plan, composition, said
        self._agent = plan.agents[composition.dataset]
        self._template = self._agent.template(composition.function, composition.output)
        self._format = plan.render.format(composition.format, composition.output)
        self._tags = list(dict.fromkeys(["intent", *self._template.function.tags]))

    def outcome(self, sent: Sent) -> Outcome:
        """Look for a thread that gives this request."""
        logged = _of(sent)
        known = self._imported(sent)
        if known is not None and _in(known, sent.unsaid) == logged:
            return Outcome("import")
        exact = self._text_in(sent) if self._makes_text else None
        slots, target = self._taken_apart(sent, exact)
        found = self._fitting(slots, target) if slots else None
        if found is not None and _in(found, sent.unsaid) == logged:
            return Outcome("request")
        if any(_in(prompt, sent.unsaid) == logged for prompt in self._cases.get(_key(sent.messages), ())):
            return Outcome("case")
        if slots:
            best = max(filter(None, (found, known)), key=lambda one: reach(logged, _in(one, sent.unsaid)), default=None)
            return Outcome(difference=_difference(sent, best or self._frame.prompt))
        if exact is None:
            talk = any(message["role"] in ("assistant", "tool") for message in sent.messages)
            return Outcome(difference=_difference(sent, known or self._frame.prompt), unread=not talk)
        around = self._compose(exact)
        equal = _in(around, sent.unsaid) == logged
        return Outcome(difference=None if equal else _difference(sent, around), unread=True)

    # ------------------------------------------------------------------------------------------ composing

    def _compose(self, rendering: Rendering) -> Prompt:
        wanted = self._composition
        examples = self._plan.render.examples(wanted.dataset, wanted.format, wanted.output)
        return template.compose(self._template, rendering, wanted.output, examples=examples)

    def _prompt(self, events: Events) -> Prompt | None:
        """Compose the request of events; ``None`` where they are no thread, or none that the format takes."""
        wanted = self._composition
        try:
            thread, _ = infer_roles(Thread.model_validate({"events": events}), self._agent.steps)
            if wanted.edit != NO_EDIT:
                thread = edits.apply(self._plan.edits[wanted.edit], thread, self._agent.steps)
            return self._compose(formats.render(self._format, thread))
        except (ValueError, FormatError, BamlError):
            return None

    @cached_property
    def _makes_text(self) -> bool:
        """Whether the format makes text."""
        wanted = self._composition
        first = next(iter(self._agent.cases))
        return isinstance(self._plan.render(wanted.dataset, first, wanted.format, wanted.edit, wanted.output), str)

    @cached_property
    def _frame(self) -> _Frame:
        """What is composed around a thread, as marks in its place show it."""
        if self._makes_text:
            made = self._compose(_MARK)
            number = _holding(made, _MARK)
            before, _, after = str(made.messages[number]["content"]).partition(_MARK)
            return _Frame(made, number, len(made.messages) - number - 1, before, after, _MARK not in after)
        roles = ("user", "assistant", "user")
        made = self._compose([{"role": role, "content": mark} for role, mark in zip(roles, _MARKS, strict=True)])
        first, last = _holding(made, _MARKS[0]), _holding(made, _MARKS[2])
        before = str(made.messages[first]["content"]).partition(_MARKS[0])[0]
        after = str(made.messages[last]["content"]).partition(_MARKS[2])[2]
        # not so where the function writes messages into a text of its own
        apart = last == first + 2 and made.messages[first + 1]["content"] == _MARKS[1]
        return _Frame(made, first, len(made.messages) - last - 1, before, after, apart)

    @cached_property
    def _cases(self) -> Mapping[str, Sequence[Prompt]]:
        """The requests of the suite's cases, by their messages."""
        wanted, found = self._composition, dict[str, list[Prompt]]()
        variant = Variant(wanted.function, wanted.edit, wanted.format, wanted.output, "")
        for case in self._agent.cases:
            prompt = self._plan.render.prompt(wanted.dataset, case, variant)
            found.setdefault(_key(prompt.messages), []).append(prompt)
        return found

    # ------------------------------------------------------------------------------------------ taking apart

    def _imported(self, sent: Sent) -> Prompt | None:
        try:
            return self._prompt(embedded.imported(sent.messages, self._said))
        except ValueError:
            return None

    def _text_in(self, sent: Sent) -> str | None:
        """Give the text that stands in the place of the thread, where all else in its message is as it would be composed."""
        frame = self._frame
        content = sent.messages[frame.number].get("content") or "" if frame.number < len(sent.messages) else ""
        long = len(content) > len(frame.before) + len(frame.after)
        fits = frame.apart and long and content.startswith(frame.before) and content.endswith(frame.after)
        return content[len(frame.before) : len(content) - len(frame.after)] if fits else None

    def _taken_apart(self, sent: Sent, exact: str | None) -> tuple[Sequence[Slot], list[Part]]:
        """Take the thread in a request apart, and give the parts that it stands in; no slots where that can't be."""
        frame = self._frame
        if not self._makes_text:
            shown = frame.of(sent.messages) if frame.apart else ()
            said = [dict(message) for message in shown]
            if said:  # what the function writes of its own may stand in the same messages
                said[0]["content"] = (said[0].get("content") or "").removeprefix(frame.before)
                said[-1]["content"] = (said[-1].get("content") or "").removesuffix(frame.after)
            return embedded.read_messages(said, self._said, self._tags), parts(shown, None, None, _BESIDE)
        text = exact
        for message in sent.messages if exact is None else ():
            content = message.get("content") or ""
            if message["role"] in ("system", "developer", "user") and (span := embedded.find_thread(content)):
                found = content[slice(*span)]
                text = found if text is None or len(found) > len(text) else text
        return (embedded.read_text(text) if text else []), [Part(0, "thread", text or "")]

    def _shown(self, prompt: Prompt) -> list[Part]:
        """Give the parts that the thread stands in, as ``_taken_apart`` does of a logged request."""
        frame = self._frame
        if self._makes_text:
            return [Part(0, "thread", next((one.text for one in prompt.pieces[frame.number] if one.kind == "thread"), ""))]
        return parts(frame.of(prompt.messages), None, None, _BESIDE)

    def _fitting(self, slots: Sequence[Slot], target: Sequence[Part]) -> Prompt | None:
        """Choose for each slot the way in which the thread comes nearest to what was logged, from its beginning on."""
        chosen, starts = [0] * len(slots), [slot.start for slot in slots]

        def tried(ways: Sequence[int]) -> tuple[Prompt | None, tuple[int, int]]:
            made = self._prompt(tuple(event for slot, way in zip(slots, ways, strict=True) for event in slot.ways[way]))
            return made, (-1, 0) if made is None else reach(target, self._shown(made))

        best, far = tried(chosen)
        while best is None or self._shown(best) != target:
            # a text is one part, of which characters count; of messages each has parts of its own
            place = far[1] if self._makes_text else target[min(far[0], len(target) - 1)].message - 1
            at = bisect_right(starts, place) - 1
            for slot, way in ((i, j) for i in (at, at - 1, at + 1) if 0 <= i < len(slots) for j in range(len(slots[i].ways))):
                other = [*chosen[:slot], way, *chosen[slot + 1 :]]
                made, reached = tried(other) if way != chosen[slot] else (None, far)
                if reached > far:
                    best, far, chosen = made, reached, other
                    break
            else:
                break
        return best


def _holding(prompt: Prompt, mark: str) -> int:
    """Say which message of a prompt holds a mark."""
    return next(i for i, message in enumerate(prompt.messages) if mark in (message.get("content") or ""))


def _key(messages: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(parts(messages, None, None, _BESIDE))


# ---------------------------------------------------------------------------------------------- many requests


@dataclass
class Group:
    """Requests that differ alike: the ``first`` of them as an example, with its place, how many they are, and some places."""

    first: Outcome
    times: int = 0
    places: list[str] = field(default_factory=list)


PLACES_SHOWN = 5
"""How many places of a group are kept."""

_FIXED = ("instructions", "schema", "examples", "question", "tools", "response_format")
"""What is the same in every request, so that all differ at the same byte."""


def grouped(outcomes: Iterable[tuple[str, Outcome]]) -> list[Group]:
    """Group requests that aren't equal by their first difference, each with its place in the logs; the largest group first."""
    found: dict[object, Group] = {}
    for place, outcome in outcomes:
        if outcome.source is None:
            group = found.setdefault(_alike(outcome), Group(outcome))
            group.times += 1
            if len(group.places) < PLACES_SHOWN:
                group.places.append(place)
    return sorted(found.values(), key=lambda group: -group.times)


def _alike(outcome: Outcome) -> object:
    """Give what requests share that differ alike: the place, where it is a fixed part, or else the two characters."""
    one = outcome.difference
    if one is None:
        return outcome.unread
    at = (one.message, one.byte) if one.segment in _FIXED else _characters(one)
    return outcome.unread, one.segment, one.role, one.what, one.only_space, one.only_order, at


def _characters(one: Difference) -> tuple[str | None, ...]:
    logged, composed = one.logged, one.composed
    at = _shared(logged or "", composed or "")
    return tuple(None if text is None else text[at : at + 1] for text in (logged, composed))


def at_character(one: Difference) -> int:
    """Give the character at which the two texts of a difference differ, from 0."""
    return _shared(one.logged or "", one.composed or "")
