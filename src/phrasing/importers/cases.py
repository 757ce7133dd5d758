"""A conversation becomes a thread, and each of the agent's turns a case: the events before it, and what the agent did.

- What a user said is a ``user_message`` (role input).
- A call is a step: its type is the tool's name, its data the arguments. Calls are numbered anew, ``call_1``, ``call_2``: ids that
  a provider made up say nothing, and equal threads are to be equal.
- What came back is ``<tool>_result``; a result that says it failed, or is an object with the one key ``error``, is an ``error``.
- What the agent said is a step too (``respond``, its text under ``message``), because it is one of the things that it could do.
  Text beside calls is a comment: it stands before them, and the turn's label is the calls. Where the words aren't there, the step
  is the label and stands in no thread.
- Turns in a row, with nothing heard or returned in between, are one.
- Free text among a call's arguments isn't compared (``free_text``), unless that is asked for.
- Calls made at once have no order: the label accepts each of them. Where the log has labels of its own, those count, and there
  may be a turn of labels alone.
- A result that answers no call is kept as an input ``tool_result``. Cases whose thread lacks something that happened, or holds
  such a result, have the tag ``incomplete``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from phrasing.baml.tools.names import tool_name
from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn
from phrasing.importers.free_text import NOT_COMPARED, FreeText, parameters_by_tool
from phrasing.suite.dataset import ANSWERS

INCOMPLETE = "incomplete"

ORPHAN = "a result that answers no call: kept as an input tool_result"
UNREAD_ARGUMENTS = "arguments that aren't a JSON object: kept as text in later threads"
UNREAD_LABEL = "the agent's call has arguments that aren't a JSON object"
UNCOMPARED = "an argument with keys that begin with $: not compared, because it would be read as a matcher"
UNANSWERED = "a call without a result"
SILENT = "the agent neither said nor called anything"
NO_HISTORY = "nothing stands before the agent's turn"


@dataclass(frozen=True, slots=True)
class Said:
    """The step that stands for what the agent said, and its field that takes the text."""

    step: str = "respond"
    field: str = "message"


@dataclass(frozen=True, slots=True)
class Decision:
    """A turn of the agent: the first ``before`` events of the thread came before it; ``expect`` is its label."""

    turn: int
    before: int
    expect: tuple[dict[str, JsonValue], ...]
    called: bool
    incomplete: bool
    tags: tuple[str, ...] = ()


@dataclass
class Cut:
    """A conversation's events and decisions. ``kept`` says what was changed to keep it, ``left`` what made no case; each time.

    ``uncompared`` are the arguments, each as ``tool.argument``, that labels leave out because they are free text.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    uncompared: list[str] = field(default_factory=list)


def cut(
    conversation: Conversation,
    said: Said = Said(),
    clean: Callable[[JsonValue], JsonValue] = lambda value: value,
    *,
    free_text: FreeText = NOT_COMPARED,
) -> Cut:
    """Cut a conversation. ``clean`` goes over all data that comes into a thread or a label; labels are without ``free_text``."""
    return _Cutter(conversation, said, clean, free_text).cut


class _Cutter:
    """A thread as it grows."""

    def __init__(
        self, conversation: Conversation, said: Said, clean: Callable[[JsonValue], JsonValue], free_text: FreeText
    ) -> None:
        self.cut = Cut()
        self._said = said
        self._clean = clean
        self._free_text = free_text
        self._parameters = parameters_by_tool(conversation.tools)
        self._open: list[tuple[Call, str, str]] = []  # calls without a result: as logged, tool, number
        self._calls = 0
        self._incomplete = False
        items = list(_merged(conversation.items))
        number = 0
        for position, item in enumerate(items, start=1):
            match item:
                case Heard():
                    self._event(item.type, self._clean(item.data), "input")
                case Result():
                    self._result(item)
                case Lost():
                    self.cut.kept.append(f"{item.reason}: left out of {item.out_of}")
                    self._incomplete = self._incomplete or not item.harmless
                case Turn():
                    number += 1
                    self._turn(item, number, decided=not item.given and (conversation.whole or position == len(items)))

    def _event(self, kind: str, data: JsonValue, role: str, call: str | None = None) -> None:
        self.cut.events.append({"type": kind, "data": data, "role": role} | ({"call": call} if call else {}))

    def _name(self, name: str) -> str:
        known = tool_name(name)
        if known != name:
            self.cut.renamed[name] = known
        return known

    def _next(self) -> str:
        self._calls += 1
        return f"call_{self._calls}"

    def _turn(self, turn: Turn, number: int, *, decided: bool) -> None:
        if turn.text == "" and not turn.calls and not turn.labels:
            self.cut.left.append(SILENT)
            return
        before, incomplete = len(self.cut.events), self._incomplete
        if self._open:
            self.cut.kept += [UNANSWERED] * len(self._open)
            self._open = []
        if turn.text:
            self._event(self._said.step, {self._said.field: self._clean(turn.text)}, "step", self._next())
        expect: list[dict[str, JsonValue]] = [] if turn.calls else [{"intent": self._said.step}]
        unread = False
        for call in turn.calls:
            name, tied, data = self._name(call.name), self._next(), self._clean(call.arguments)
            self._event(name, data, "step", tied)
            self._open.append((call, name, tied))
            if isinstance(data, dict):
                expect.append(self._label(call.name, data, decided=decided))
            else:
                unread = True
                self.cut.kept.append(UNREAD_ARGUMENTS)
        if not decided:
            return
        if unread:
            self.cut.left.append(UNREAD_LABEL)
        elif not before:
            self.cut.left.append(NO_HISTORY)
        else:
            labels = _once(tuple(map(self._known, turn.labels)) or tuple(expect))
            called = bool(turn.calls) or any(label["intent"] != self._said.step for label in turn.labels)
            self.cut.decisions.append(Decision(number, before, labels, called, incomplete, turn.tags))

    def _known(self, label: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return {**label, "args": self._clean(label["args"])} if "args" in label else label

    def _label(self, tool: str, data: dict[str, JsonValue], *, decided: bool) -> dict[str, JsonValue]:
        name = tool_name(tool)
        if name == self._said.step:
            return {"intent": name}  # words are never the same twice
        args = {key: value for key, value in data.items() if not _like_a_matcher(value)}
        if len(args) != len(data):
            self.cut.kept.append(UNCOMPARED)
        args, free = self._free_text.leave_out(args, self._parameters.get(tool, {}), name)
        self.cut.uncompared += free if decided else []
        return {"intent": name, "args": args} if args else {"intent": name}

    def _result(self, result: Result) -> None:
        data = self._clean(result.output)
        found = next((one for one in self._open if result.call is not None and one[0].id == result.call), None)
        if found is None and (result.call is None or all(one[0].id is None for one in self._open)):
            # logs of the older shape tie a result to its call by the tool's name, or by its place
            found = next((one for one in self._open if result.name in (None, one[0].name)), None)
        if found is None:
            self._event("tool_result", data, "input")
            self.cut.kept.append(ORPHAN)
            self._incomplete = True
            return
        self._open.remove(found)
        _, name, tied = found
        if isinstance(data, dict) and len(data) == 1 and next(iter(data)) in ANSWERS:
            ((kind, inner),) = data.items()
            self._event(kind, inner, "result", tied)
        else:
            self._event("error" if result.error else f"{name}_result", data, "result", tied)


def _merged(items: tuple[Item, ...]) -> Iterator[Item]:
    """Join turns that follow each other."""
    held: Turn | None = None
    for item in items:
        if isinstance(item, Turn) and held is not None and held.given == item.given:
            text = "\n\n".join(filter(None, (held.text, item.text))) or (None if None in (held.text, item.text) else "")
            held = Turn(text, held.calls + item.calls, held.labels + item.labels, held.given, held.tags + item.tags)
        elif isinstance(item, Turn):
            if held is not None:
                yield held
            held = item
        elif isinstance(item, Lost) and item.harmless:
            yield item
        else:
            if held is not None:
                yield held
                held = None
            yield item
    if held is not None:
        yield held


def _like_a_matcher(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(key.startswith("$") or _like_a_matcher(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_like_a_matcher, value))


def _once(labels: tuple[dict[str, JsonValue], ...]) -> tuple[dict[str, JsonValue], ...]:
    return tuple(label for i, label in enumerate(labels) if label not in labels[:i])
