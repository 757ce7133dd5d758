"""The summary of an import: what became of the logs, and how it reads."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from phrasing.importers.conversation import ToolDeclaration

PLACES_SHOWN = 5
"""How many places of one reason are shown."""

MOST_SYSTEMS = 1_000
"""How many different instructions are told apart: where each holds the time of day, all differ."""

_MOST_LISTED = 20
"""How many arguments of free text are named."""

_MOST_KNOWN = 100
"""From how many keys on no more are noted."""

_WIDTH = 79

_AT_ONCE = {
    "all": "all of them are wanted (--together any: any of them is right)",
    "expect": "any of them is right (--together all: all of them are wanted)",
}


@dataclass
class Occurrences:
    """How often something was met, and the first places."""

    times: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """Count one more."""
        self.times += 1
        if len(self.places) < PLACES_SHOWN and place not in self.places:
            self.places.append(place)


@dataclass
class ImportSummary:
    """What became of the logs.

    ``left`` is what made no case, by reason, and ``kept`` what was changed to keep it. ``unselected`` are conversations that
    don't have what was asked for, and ``known`` what some of them have instead. ``renamed`` are names of tools. ``uncompared``
    are arguments of free text, each as ``tool.argument``, with how often a label leaves them out. ``at_once``
    are cases of turns with several calls, by the key of their labels. ``systems`` are the instructions that stood before
    conversations, with how often each was met. ``toolsets`` are the different sets of tools,
    in the order in which they were met; ``met`` says of each, by its place among them, when it was last met: the time that the
    log gives, and the number of the conversation.
    """

    records: Counter[str] = field(default_factory=Counter)
    conversations: int = 0
    unselected: int = 0
    known: dict[str, JsonValue] = field(default_factory=dict)
    left: dict[str, Occurrences] = field(default_factory=dict)
    kept: dict[str, Occurrences] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    uncompared: Counter[str] = field(default_factory=Counter)
    at_once: Counter[str] = field(default_factory=Counter)
    systems: Counter[str] = field(default_factory=Counter)
    toolsets: list[tuple[ToolDeclaration, ...]] = field(default_factory=list)
    met: dict[int, tuple[float, int]] = field(default_factory=dict)

    def leave(self, reason: str, place: str) -> None:
        """Count something that makes no case."""
        self.left.setdefault(reason, Occurrences()).add(place)

    def keep(self, reason: str, place: str) -> None:
        """Count something that was changed."""
        self.kept.setdefault(reason, Occurrences()).add(place)

    def unselect(self, meta: Mapping[str, JsonValue]) -> None:
        """Count a conversation that isn't asked for, with what is known of it."""
        self.unselected += 1
        if len(self.known) < _MOST_KNOWN:
            self.known = {**meta, **self.known}

    def instruct(self, system: str) -> None:
        """Count instructions, if there are any."""
        if system and (system in self.systems or len(self.systems) < MOST_SYSTEMS):
            self.systems[system] += 1

    def by_age(self, numbers: Iterable[int]) -> list[int]:
        """Sort sets of tools by when they were last met, the oldest first."""
        return sorted(numbers, key=self.met.__getitem__)

    def lines(self) -> Iterator[str]:
        """Write what was read and what wasn't, for a terminal of 80 columns."""
        shapes = ", ".join(f"{times:,} {name}" for name, times in self.records.most_common())
        yield from wrapped(f"{self.conversations:,} conversations in {self.records.total():,} records ({shapes or 'none read'})")
        if self.unselected:
            yield f"{self.unselected:,} of them not selected by --where"
        for title, found in (("Made no case:", self.left), ("Kept, but changed:", self.kept)):
            if found:
                yield title
            for reason, met in sorted(found.items(), key=lambda item: -item[1].times):
                more = ", …" if met.times > len(met.places) else ""
                yield from wrapped(f"{met.times:>7,}  {reason} ({', '.join(met.places)}{more})", indent=9)
        for key, times in self.at_once.items():
            if times:
                yield from wrapped(f"{times:,} cases are of turns with several calls at once: {_AT_ONCE[key]}")
        if self.uncompared:
            listed = ", ".join(f"{path} ({times:,})" for path, times in self.uncompared.most_common(_MOST_LISTED))
            more = f" and {len(self.uncompared) - _MOST_LISTED:,} more" if len(self.uncompared) > _MOST_LISTED else ""
            yield from wrapped(f"Free text, not compared (--compare-text NAME compares one, or all): {listed}{more}")
        if self.renamed:
            listed = ", ".join(f"{old} → {new}" for old, new in sorted(self.renamed.items()))
            yield from wrapped(f"Tools whose names no API takes: {listed}")


def wrapped(text: str, indent: int = 2) -> list[str]:
    """Break a text into lines for a terminal of 80 columns."""
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, drop_whitespace=True)
