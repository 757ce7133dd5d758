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
- Calls made at once are all wanted, in any order (``all``): none of them saw what another gave back. ``together`` can be told to
  take any one of them for right. Where the log has labels of its own, those count, and there may be a turn of labels alone.
- A result that answers no call is kept as an input ``tool_result``. Cases whose thread lacks something that happened, or holds
  such a result, have the tag ``incomplete``. So have those whose thread can't be all that happened: nothing was heard in it, a
  call has no result though the agent went on, the agent spoke again with nothing in between, a text holds a transcript or a call.
- What the agent did makes no case where nobody can tell it from the log, or where its words hold a call that the log doesn't have
  as one (``written_out``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import JsonValue

from phrasing.baml.tools.names import tool_name
from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn
from phrasing.importers.free_text import NOT_COMPARED, FreeText, declared_name, parameters_by_tool
from phrasing.importers.written_out import holds_call, is_transcript
from phrasing.suite.dataset import ANSWERS

INCOMPLETE = "incomplete"

Together = Literal["all", "any"]
"""What a label wants of calls that were made at once: all of them, or any one."""

ORPHAN = "a result that answers no call: kept as an input tool_result"
UNREAD_ARGUMENTS = "arguments that aren't a JSON object: kept as text in later threads"
UNREAD_LABEL = "the agent's call has arguments that aren't a JSON object"
UNCOMPARED = "an argument with keys that begin with $: not compared, because it would be read as a matcher"
UNANSWERED = "a call without a result"
TWICE = "a call written twice with one id: kept once"
APART = "calls of several messages with a result missing: they may not have been made at once"
UNHEARD = "nothing was heard before the agent acted: the thread is taken for incomplete"
SPOKE_AGAIN = "the agent acted twice with nothing in between: what was heard there may be lost"
TRANSCRIPT = "a transcript in one text: kept as the one message that it is"
CALL_IN_HISTORY = "an earlier text of the agent holds a call: kept as text"
CALL_AS_TEXT = "what the agent said holds a call that the log doesn't have as one"
NO_ANSWER = "no answer of the agent"
CALL_BESIDE = "a text beside calls holds a call: it may be one more"
UNREAD_ANSWER = "the agent's answer can't be read"
NO_WORDS = "it is a word for nothing, such as None"
SILENT = "the agent neither said nor called anything"
NO_HISTORY = "nothing stands before the agent's turn"


_NO_WORDS = re.compile(r"\s*(?:(?:assistant|ai|model)\s*:)?\s*(?:None|null|undefined|NaN)\s*", re.IGNORECASE)
"""What loggers write for a text that isn't there."""


@dataclass(frozen=True, slots=True)
class Said:
    """The step that stands for what the agent said, and its field that takes the text."""

    step: str = "respond"
    field: str = "message"


@dataclass(frozen=True, slots=True)
class Decision:
    """A turn of the agent: the first ``before`` events of the thread came before it; ``labels`` are acceptable steps each.

    ``together``: they are right all together instead. ``at_once``: the turn made several calls.
    """

    turn: int
    before: int
    labels: tuple[dict[str, JsonValue], ...]
    called: bool
    incomplete: bool
    tags: tuple[str, ...] = ()
    together: bool = False
    at_once: bool = False

    @property
    def key(self) -> str:
        """What a dataset calls such labels."""
        return "all" if self.together else "expect"


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
    together: Together = "all",
) -> Cut:
    """Cut a conversation. ``clean`` goes over all data that comes into a thread or a label; labels are without ``free_text``."""
    return _Cutter(conversation, said, clean, free_text, together).cut


class _Cutter:
    """A thread as it grows."""

    def __init__(
        self,
        conversation: Conversation,
        said: Said,
        clean: Callable[[JsonValue], JsonValue],
        free_text: FreeText,
        together: Together,
    ) -> None:
        self.cut = Cut()
        self._said = said
        self._clean = clean
        self._free_text = free_text
        self._together = together
        self._parameters = parameters_by_tool(conversation.tools)
        self._open: list[tuple[Call, str, str]] = []  # calls without a result: as logged, tool, number
        self._calls = 0
        self._incomplete = False
        self._logged = conversation.strength == "logged"
        self._tools = frozenset(name for tool in conversation.tools if (name := declared_name(tool)))
        self._lost = ""  # why something isn't here that stands directly before
        self._heard = False
        self._apart = False  # the last turn's calls stood in several messages
        items = list(_merged(_spoken(conversation.items, said), whole=conversation.whole))
        number = 0
        before: Item | None = None
        for position, item in enumerate(items, start=1):
            match item:
                case Heard():
                    self._hear(item)
                case Result():
                    self._result(item)
                case Lost():
                    self.cut.kept.append(f"{item.reason}: left out of {item.out_of}")
                    self._incomplete = self._incomplete or not item.harmless
                    if not item.harmless and isinstance(before, Turn) and before.calls:
                        self._doubt_decision()  # it may have been one more call
                case Turn():
                    number += 1
                    if isinstance(before, Turn) and before.given == item.given:
                        self._doubt(SPOKE_AGAIN)
                    self._turn(item, number, decided=not item.given and (conversation.whole or position == len(items)))
                    if isinstance(item, _Run) and item.again:
                        self._doubt(SPOKE_AGAIN)
                    self._apart = isinstance(item, _Run) and item.apart
            self._lost = item.reason if isinstance(item, Lost) and not item.harmless else ""
            before = before if isinstance(item, Lost) and item.harmless else item
        self._doubt_apart()
        last = items[-1] if items else None
        if not conversation.whole and isinstance(last, Lost) and not last.harmless:
            # a call without its answer: nothing is kept of it
            self.cut.kept.remove(f"{last.reason}: left out of {last.out_of}")
            self.cut.left.append(f"{NO_ANSWER}: {last.reason}")

    def _doubt(self, reason: str) -> None:
        """Say why what stands from here on may lack something."""
        self.cut.kept.append(reason)
        self._incomplete = True

    def _hear(self, item: Heard) -> None:
        self._heard = True
        data = item.data.get("text") if isinstance(item.data, dict) and item.data.keys() == {"name", "text"} else item.data
        if item.type == "user_message" and isinstance(data, str) and is_transcript(data, self._tools):
            self._doubt(TRANSCRIPT)
        self._event(item.type, self._clean(item.data), "input")

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
        if (silent := self._silent(turn)) is not None:
            self.cut.left.append(silent)
            return
        self._doubt_history()
        before, incomplete = len(self.cut.events), self._incomplete
        turn = self._without_repeats(turn)
        said = turn.said if isinstance(turn, _Run) else (turn.text or "",)
        holds = not turn.labels and any(holds_call(text, self._tools) for text in said)
        told = holds and not turn.calls
        if holds and turn.calls:
            self._doubt(CALL_BESIDE)
            incomplete = True
        if turn.text:
            self._event(self._said.step, {self._said.field: self._clean(turn.text)}, "step", self._next())
        expect: list[dict[str, JsonValue]] = [] if turn.calls else [{"intent": self._said.step}]
        expect += filter(None, [self._call(call, decided=decided) for call in turn.calls])
        nothing = self._logged and not turn.calls and not turn.labels and _NO_WORDS.fullmatch(turn.text or "") is not None
        unsure = turn.unread or (NO_WORDS if nothing else "")
        self._incomplete = self._incomplete or told or unsure != ""
        if self._logged and not before and turn.calls and not self._incomplete:
            self._heard = True  # said once
            self._doubt(UNHEARD)
        if not decided:
            self.cut.kept += [CALL_IN_HISTORY] if told else []
        elif reason := self._undecidable(unsure, told=told, unread=len(expect) < len(turn.calls), before=before):
            self.cut.left.append(reason)
        else:
            labels = tuple(map(self._known, turn.labels)) or tuple(expect)
            self.cut.decisions.append(self._decision(turn, number, before, labels, incomplete=incomplete))

    def _decision(
        self, turn: Turn, number: int, before: int, labels: tuple[dict[str, JsonValue], ...], *, incomplete: bool
    ) -> Decision:
        called = bool(turn.calls) or any(label["intent"] != self._said.step for label in turn.labels)
        several = len(labels) > 1 and (turn.together or not turn.labels)
        together = several and self._together == "all"
        wanted = labels if together else _once(labels)
        return Decision(number, before, wanted, called, incomplete, turn.tags, together=together, at_once=several)

    def _without_repeats(self, turn: Turn) -> Turn:
        """Leave out calls that are there already, by their ids too: logs that are written again and again hold some twice."""
        if len(turn.calls) < 2:
            return turn
        calls = tuple(call for i, call in enumerate(turn.calls) if call.id is None or call not in turn.calls[:i])
        if len(calls) == len(turn.calls):
            return turn
        self.cut.kept += [TWICE] * (len(turn.calls) - len(calls))
        return replace(turn, calls=calls)

    def _silent(self, turn: Turn) -> str | None:
        """Say why a turn is none: nothing was said or called, as far as the log tells."""
        if turn.calls or turn.labels:
            return None
        reason = turn.unread or self._lost
        return None if turn.text != "" else f"{UNREAD_ANSWER}: {reason}" if reason else SILENT

    def _doubt_history(self) -> None:
        """Say what shows that the thread lacks something, before the agent goes on."""
        if self._logged and not self._heard and self.cut.events:
            self._heard = True  # said once
            self._doubt(UNHEARD)
        if self._open:
            self.cut.kept += [UNANSWERED] * len(self._open)
            # where somebody spoke instead, that was the answer
            if self._logged and self.cut.events[-1]["role"] != "input":
                self._incomplete = True
            self._doubt_apart()
            self._open = []

    def _doubt_apart(self) -> None:
        """Doubt the last case if its calls stand in several messages and a result is missing: were they made at once?"""
        if self._logged and self._apart and self._open and self.cut.decisions:
            self.cut.kept.append(APART)
            self._doubt_decision()

    def _doubt_decision(self) -> None:
        if self.cut.decisions:
            self.cut.decisions[-1] = replace(self.cut.decisions[-1], incomplete=True)

    def _undecidable(self, unsure: str, *, told: bool, unread: bool, before: int) -> str | None:
        """Say why a turn makes no case."""
        if unread:
            return UNREAD_LABEL
        if unsure:
            return f"{UNREAD_ANSWER}: {unsure}"
        return CALL_AS_TEXT if told else None if before else NO_HISTORY

    def _call(self, call: Call, *, decided: bool) -> dict[str, JsonValue] | None:
        """Add a call to the thread, and give its label; ``None`` where its arguments are no object."""
        name, tied, data = self._name(call.name), self._next(), self._clean(call.arguments)
        self._event(name, data, "step", tied)
        self._open.append((call, name, tied))
        if isinstance(data, dict):
            return self._label(call.name, data, decided=decided)
        self.cut.kept.append(UNREAD_ARGUMENTS)
        return None

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


def _spoken(items: tuple[Item, ...], said: Said) -> tuple[Item, ...]:
    """Take calls of the step for words, without a result, for the words that they are: logs of events write them so."""
    answered = {item.call for item in items if isinstance(item, Result)}

    def words(call: Call) -> bool:
        given = call.arguments
        alone = isinstance(given, dict) and given.keys() == {said.field} and isinstance(given[said.field], str)
        return call.name == said.step and alone and call.id not in answered

    def turned(item: Item) -> Item:
        if not isinstance(item, Turn) or item.text or not any(map(words, item.calls)):
            return item
        texts = [str(call.arguments[said.field]) for call in item.calls if words(call) and isinstance(call.arguments, dict)]
        return replace(item, text="\n\n".join(texts), calls=tuple(call for call in item.calls if not words(call)))

    return tuple(map(turned, items))


def _merged(items: tuple[Item, ...], *, whole: bool) -> Iterator[Item]:
    """Join turns that follow each other: words and the calls behind them.

    Not those behind whose calls the agent speaks, because results are missing between them; and not the one decision of a single
    call with what was history to it.
    """
    held: Turn | None = None
    last = next((position for position in range(len(items) - 1, -1, -1) if isinstance(items[position], Turn)), None)
    for position, item in enumerate(items):
        alone = not whole and position == last
        if isinstance(item, Turn) and held is not None and held.given == item.given and not alone and _goes_on(held, item):
            held = _joined(held, item)
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


@dataclass(frozen=True, slots=True)
class _Run(Turn):
    """Turns with nothing between them in the log, what each ``said``. ``apart``: their calls stand in several; ``again``: words
    follow words.
    """

    said: tuple[str, ...] = ()
    apart: bool = False
    again: bool = False


def _joined(held: Turn, item: Turn) -> _Run:
    text = "\n\n".join(filter(None, (held.text, item.text))) or (None if None in (held.text, item.text) else "")
    return _Run(
        text,
        held.calls + item.calls,
        held.labels + item.labels,
        held.given,
        held.tags + item.tags,
        held.unread or item.unread,
        together=held.together or item.together,
        said=(*(held.said if isinstance(held, _Run) else [held.text or ""]), item.text or ""),
        apart=(isinstance(held, _Run) and held.apart) or bool(held.calls and item.calls),
        again=(isinstance(held, _Run) and held.again) or not (item.calls or item.labels),
    )


def _goes_on(held: Turn, item: Turn) -> bool:
    """Tell whether a turn may be more of the one before it."""
    return bool(item.calls or item.labels) or not held.calls


def _like_a_matcher(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(key.startswith("$") or _like_a_matcher(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_like_a_matcher, value))


def _once(labels: tuple[dict[str, JsonValue], ...]) -> tuple[dict[str, JsonValue], ...]:
    return tuple(label for i, label in enumerate(labels) if label not in labels[:i])
