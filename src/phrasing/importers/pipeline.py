"""Logs to a dataset: records to conversations to cases, with a summary of what was left out or changed on the way.

Nothing is held but what the summary needs: a case's line is written as soon as it is made.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydantic_core
from pydantic import JsonValue

from phrasing.importers.cases import INCOMPLETE, Cut, Decision, Said, Together, cut
from phrasing.importers.conversation import Conversation, Heard, Item, Result, Skipped, ToolDeclaration, Turn
from phrasing.importers.declared import Declared, refused
from phrasing.importers.free_text import FreeText
from phrasing.importers.json_stream import Broken
from phrasing.importers.people import without_people
from phrasing.importers.registry import detect, load_importer
from phrasing.importers.summary import MOST_SYSTEMS, ImportSummary
from phrasing.suite import dataset, sample
from phrasing.suite.dataset import MAX_DEPTH
from phrasing.types import canonical_json

WhichTurns = Literal["every-step", "one-each", "last", "tool-calls"]
"""Which turns become cases: all of the agent's, one of each conversation (drawn by the seed), its last, or those with a call."""


Clean = Callable[[JsonValue], JsonValue]
"""Goes over data before it comes into a thread, a label or a name."""

Made = TypeVar("Made")

Cleaning = Callable[[object], Clean]
"""Looks at all that a conversation holds, and gives what cleans its parts."""


@dataclass(frozen=True)
class Options:
    """How logs become cases. ``where``: only conversations whose ``meta`` has these values.

    ``free_text`` is what labels leave out of a call's arguments, ``together`` what they want of calls made at once.
    """

    cases: WhichTurns = "every-step"
    said: Said = field(default_factory=Said)
    where: Mapping[str, JsonValue] = field(default_factory=dict)
    seed: int = 0
    free_text: FreeText = field(default_factory=FreeText)
    together: Together = "all"


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case as it stands in a dataset, without its newline, and what choosing among cases needs to know of it.

    ``thread`` is a digest of its events, ``labels`` its labels as JSON, with their key; ``toolset`` is the number of its tools in
    ``ImportSummary.toolsets``.
    """

    line: bytes
    intent: str
    events: int
    cluster: str
    turn: int
    thread: bytes
    labels: bytes
    toolset: int


def make_cases(
    entries: Iterable[tuple[str, JsonValue | Broken]],
    options: Options,
    summary: ImportSummary,
    *,
    importer: str | None = None,
    cleaning: Cleaning = lambda values: lambda value: value,
) -> Iterator[CaseLine]:
    """Make cases of records, each with its place (``file:line``), and say in ``summary`` what became of them.

    Without ``importer``, each record's shape is looked for; the one that the last record had is tried first.
    """
    names = _Names()
    yield from read_logs(
        entries, lambda found, place: _cases(found, place, options, summary, names, cleaning), summary, importer=importer
    )


def read_logs(
    entries: Iterable[tuple[str, JsonValue | Broken]],
    make: Callable[[Conversation, str], Iterator[Made]],
    summary: ImportSummary,
    *,
    importer: str | None = None,
) -> Iterator[Made]:
    """Give what ``make`` makes of each conversation and its place, and say in ``summary`` what can't be read.

    ``importer`` as in ``make_cases``. ``make`` may raise ``ValueError``: the rest of the record is left out then.
    """
    last = importer
    for place, record in entries:
        if isinstance(record, Broken):
            summary.leave(record.reason, place)
            continue
        try:
            if importer is None and not (last and load_importer(last).fits(record)):
                last = detect(record)
            if last is None:
                summary.leave("no importer knows this shape", place)
                continue
            before = summary.conversations
            for found in load_importer(last).read(record):
                if isinstance(found, Skipped):
                    summary.leave(found.reason, place)
                else:
                    summary.conversations += 1
                    yield from make(found, place)
            summary.records[last if summary.conversations > before else f"{last}, without a conversation"] += 1
        except ValueError as error:
            summary.leave(str(error), place)


def _cases(
    conversation: Conversation,
    place: str,
    options: Options,
    summary: ImportSummary,
    names: _Names,
    cleaning: Cleaning,
) -> Iterator[CaseLine]:
    if any(not _same(conversation.meta.get(key), value) for key, value in options.where.items()):
        summary.unselect(without_people(conversation.meta))
        return
    clean = cleaning([conversation.id, conversation.meta, *itertools.chain.from_iterable(map(_data, conversation.items))])
    summary.instruct(names.system(conversation.system, cleaning))
    made = cut(conversation, options.said, clean, free_text=options.free_text, together=options.together)
    summary.renamed |= made.renamed
    summary.uncompared.update(made.uncompared)
    for reason in made.left:
        summary.leave(reason, place)
    for reason in made.kept:
        summary.keep(reason, place)
    chosen = made.decisions
    if options.cases == "tool-calls":
        chosen = [one for one in chosen if one.called]
    elif options.cases == "last":
        chosen = chosen[-1:]
    group = names.group(str(clean(conversation.id or "")), place)
    if options.cases == "one-each" and chosen:
        chosen = [chosen[sample.position(group, options.seed) % len(chosen)]]
    tail = {"strength": conversation.strength, "meta": {"source": place, **_cleaned(conversation.meta, clean)}}
    toolset = names.toolset(conversation, summary)
    declared = names.declared(toolset, conversation.tools) if conversation.strength == "logged" else None
    chosen = [one for one in chosen if declared is None or _is_allowed(one, declared, options.said.step, summary, place)]
    for decision, thread, digest in _threads(made, chosen):
        listed = _encode(list(decision.labels))
        _check_depth(listed)
        labels = b'"%b":%b' % (decision.key.encode(), listed)
        summary.at_once[decision.key] += decision.at_once
        name = names.case(group, decision.turn)
        tags = [*decision.tags, *([INCOMPLETE] if decision.incomplete else [])]
        rest = _encode({**({"tags": tags} if tags else {}), "group": group, "turn": decision.turn, **tail})
        line = b'{"id":%b,"thread":{"events":[%b]},%b,%b' % (_encode(name), thread, labels, rest[1:])
        yield CaseLine(
            line=line,
            intent=str(decision.labels[0]["intent"]),
            events=decision.before,
            cluster=group,
            turn=decision.turn,
            thread=digest,
            labels=labels,
            toolset=toolset,
        )


def _is_allowed(decision: Decision, declared: Declared, said: str, summary: ImportSummary, place: str) -> bool:
    """Tell whether the log's own declarations allow what the agent did, and count it where they don't."""
    problem = refused(decision.labels, declared, said)
    if problem:
        summary.leave(problem, place)
    return problem is None


def _data(item: Item) -> Iterator[Any]:
    """Give what an item says."""
    match item:
        case Heard():
            yield item.data
        case Turn():
            yield item.text
            yield item.labels
            for call in item.calls:
                yield call.arguments
        case Result():
            yield item.output


def _threads(made: Cut, chosen: Sequence[Decision]) -> Iterator[tuple[Decision, bytes, bytes]]:
    """Give each decision with its events as JSON, and a digest of them. Each event is written once, for all threads."""
    thread = bytearray()
    running = hashlib.blake2b(digest_size=8)
    written = 0
    for decision in chosen:
        for event in made.events[written : decision.before]:
            text = _encode(event)
            _check_depth(text)
            thread += b"," * bool(thread) + text
            running.update(text)
        written = decision.before
        yield decision, bytes(thread), running.digest()


def _check_depth(text: bytes) -> None:
    """Raise ``ValueError`` where a dataset would refuse an event or labels: JSON in texts makes them deeper than the log is."""
    # depth takes brackets: few texts need a closer look
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH - 5:
        try:
            dataset.parse(f"[[[{text.decode()}]]]")
        except ValueError:
            raise ValueError(f"nested more than {MAX_DEPTH} deep in a dataset") from None


class _Names:
    """Names of groups and cases, each given once, and numbers of toolsets."""

    def __init__(self) -> None:
        self._given: set[int] = set()  # digests: there may be millions
        self._times: dict[str, int] = {}  # how far the numbers of names have got that were wanted again
        self._toolsets: dict[str, int] = {}
        self._declared: dict[int, Declared] = {}
        self._conversations = 0
        self._systems: dict[str, str] = {"": ""}

    def group(self, logged: str, place: str) -> str:
        """Name a conversation: by its id, or by its place. The same id is the same group."""
        return _slug(logged) or _slug(Path(place).name) or "conversation"

    def case(self, group: str, turn: int) -> str:
        """Name a case. Of several turns with one place in one conversation, later ones are numbered."""
        name = wanted = f"{group}-{turn}"
        while not self._give(name):
            # from where the last search ended: a log may give all its conversations one id
            times = self._times[wanted] = self._times.get(wanted, 1) + 1
            name = f"{wanted}-again-{times}"
        return name

    def _give(self, name: str) -> bool:
        """Take a name, unless it is given already."""
        known = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
        if known in self._given:
            return False
        self._given.add(known)
        return True

    def system(self, logged: str, cleaning: Cleaning) -> str:
        """Clean instructions: most conversations have the same, which may be long."""
        if len(self._systems) > MOST_SYSTEMS:
            return ""  # the summary is full as well
        if logged not in self._systems:
            self._systems[logged] = str(cleaning(logged)(logged))
        return self._systems[logged]

    def toolset(self, conversation: Conversation, summary: ImportSummary) -> int:
        """Number a set of tools, keep it when it is new, and note when it was last met."""
        tools = conversation.tools
        text = canonical_json(list(tools)) if tools else ""
        if text not in self._toolsets:
            self._toolsets[text] = len(summary.toolsets)
            summary.toolsets.append(tools)
        number = self._toolsets[text]
        self._conversations += 1
        met = (-math.inf if conversation.time is None else conversation.time, self._conversations)
        summary.met[number] = max(summary.met.get(number, met), met)
        return number

    def declared(self, number: int, tools: tuple[ToolDeclaration, ...]) -> Declared:
        """Give the tools of a set by name."""
        if number not in self._declared:
            self._declared[number] = Declared(tools)
        return self._declared[number]


def _slug(text: str) -> str:
    """Write a name in kebab-case; a long one is cut and ends with its digest."""
    made = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return made if len(made) <= 60 else f"{made[:50].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _cleaned(meta: Mapping[str, JsonValue], clean: Clean) -> dict[str, JsonValue]:
    return {key: clean(value) for key, value in without_people(meta).items()}


def _encode(value: Any) -> bytes:
    return pydantic_core.to_json(value)


def _same(one: JsonValue, other: JsonValue) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
