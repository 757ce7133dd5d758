"""A logged conversation, whatever wrote it: what was heard, what the agent did, what came back. Importers make these.

Names, texts and values are those of the log. What of them can't be shown is an item too (``Lost``), so that nothing goes missing
unsaid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from phrasing.types import Strength

ToolDeclaration = dict[str, Any]
"""A tool's declaration, in whichever of the shapes that ``baml.tools.lists`` reads."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Something from outside: what a user said, or another event by its type."""

    data: JsonValue
    type: str = "user_message"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool called. ``arguments`` are an object, or the text that should have been one."""

    name: str
    arguments: dict[str, JsonValue] | str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """The agent's turn: what it said, what it called, or both. ``text`` is ``None`` where it spoke in words that aren't there.

    ``labels`` are the acceptable steps where the log knows better than "what the agent did", each as a dataset has it;
    ``together``: they are right all together. ``tags`` are the case's. ``given``: somebody else wrote it, as an example or to
    begin with, so it is history and no decision. ``unread``: why nobody can tell from the log what the agent did, though it did
    something; such a turn makes no case.
    """

    text: str | None = ""
    calls: tuple[Call, ...] = ()
    labels: tuple[dict[str, JsonValue], ...] = ()
    given: bool = False
    tags: tuple[str, ...] = ()
    unread: str = ""
    together: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave back: ``call`` is its id, ``name`` its tool, where the log says. ``error``: the log says it failed."""

    output: JsonValue
    call: str | None = None
    name: str | None = None
    error: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that happened here and isn't shown, and why, in a few words that are the same for all of its kind.

    ``harmless``: the agent's next step didn't depend on it. ``out_of``: what it would stand in.
    """

    reason: str
    harmless: bool = False
    out_of: str = "the thread"


Item = Heard | Turn | Result | Lost


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it stands in a log: messages of OpenAI's chat API, and what was sent beside them.

    The content of each message is a text or ``None``. ``unsaid`` are those of ``tools`` and ``response_format`` of which the log
    doesn't say whether they were sent.
    """

    messages: tuple[dict[str, Any], ...]
    tools: JsonValue = None
    response_format: JsonValue = None
    unsaid: frozenset[str] = frozenset()


NOT_SENT = "no request: the log holds what happened, not what was sent"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What happened, oldest first; the last item may be the agent's turn.

    ``system`` are the instructions that stood before it, ``tools`` what the agent could call, ``meta`` what else the log knows.
    ``whole``: every turn was decided here; otherwise only the last one was, and the turns before it are history. ``time``: when
    it was, in seconds since 1970; it decides which of two declarations of a tool is the newer. ``sent`` is the request of its
    last turn as the log holds it, or why there is none to compare with, in a few words that are the same for all of its kind.
    """

    items: tuple[Item, ...]
    id: str | None = None
    system: str = ""
    tools: tuple[ToolDeclaration, ...] = ()
    meta: Mapping[str, JsonValue] = field(default_factory=dict)
    whole: bool = True
    strength: Strength = "logged"
    time: float | None = None
    sent: Sent | str = NOT_SENT


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a record that is no conversation, and why, in a few words that are the same for all of its kind."""

    reason: str


def one_turn(items: Iterable[Item]) -> list[Item]:
    """Join the turns with which an answer ends to one, behind all that was lost among them."""
    before = list(items)
    ends = len(before)
    while ends and isinstance(before[ends - 1], (Turn, Lost)):
        ends -= 1
    before, tail = before[:ends], before[ends:]
    turns = [item for item in tail if isinstance(item, Turn)]
    lost = [item for item in tail if isinstance(item, Lost)]
    if len(turns) < 2:
        return [*before, *lost, *turns]
    texts = "\n\n".join(turn.text for turn in turns if turn.text)
    unread = next((turn.unread for turn in turns if turn.unread), "")
    return [*before, *lost, Turn(texts, tuple(call for turn in turns for call in turn.calls), unread=unread)]
