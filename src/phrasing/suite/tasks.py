"""Tasks: JSON Lines that say what an agent is run on to its end, with file and line in every error.

``docs/rollouts.md`` describes the file. A task is what happened first, the world it happens in, what counts as success there,
what would do harm, and who answers when the agent asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field, JsonValue

from phrasing.suite import dataset
from phrasing.types import EVENT_TYPE, ID, Case, CaseNote, Event, Line, Record, StepMatch, Thread, digest

FOLDER = "tasks"
"""The folder of a project's tasks."""

MAX_STEPS = 30
"""So many steps a run may take, where its task names no other number."""


class EffectMatch(Record):
    """An effect to look for: a type and, where they matter, fields of its data. Values may be matchers, as those of labels."""

    type: str = Field(pattern=EVENT_TYPE)
    data: dict[str, JsonValue] = {}


class Answering(Record):
    """A rule by which somebody answers: the step ``asked``, in full or in part, gets this ``answer``; without one nobody answers.

    It comes ``after`` so many seconds of virtual time, and at most so many ``times`` (``None``: as often as asked). ``needed``: a
    right agent has to ask this.
    """

    asked: StepMatch
    answer: JsonValue = None
    after: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    times: int | None = Field(default=None, ge=1)
    needed: bool = False


class Said(Record):
    """What somebody says unasked, ``at`` so many seconds of virtual time."""

    at: float = Field(ge=0, allow_inf_nan=False)
    event: Event


class Task(Line):
    """What an agent is run on to its end.

    ``events`` are what happened first. ``world`` and ``goal`` are the environment's: what there is, and what success is.
    ``forbid`` are effects that do harm. ``people`` answer by the first rule that fits and isn't used up; where none does, nobody
    answers. ``turns`` are what is said after the agent ends its first, second, … turn, ``messages`` what is said unasked.
    ``group`` names tasks that resemble each other, which statistics count as one cluster.
    """

    plural = "tasks"
    nested = {
        "events": [*Event.__dataclass_fields__],
        "event": [*Event.__dataclass_fields__],
        "turns": [*Event.__dataclass_fields__],
        "forbid": [*EffectMatch.model_fields],
        "people": [*Answering.model_fields],
        "asked": [*StepMatch.model_fields],
        "messages": [*Said.model_fields],
    }

    id: str = Field(pattern=ID)
    events: tuple[Event, ...] = Field(min_length=1)
    world: dict[str, JsonValue] = {}
    goal: JsonValue = None
    forbid: tuple[EffectMatch, ...] = ()
    people: tuple[Answering, ...] = ()
    turns: tuple[tuple[Event, ...], ...] = ()
    messages: tuple[Said, ...] = ()
    max_steps: int = Field(default=MAX_STEPS, ge=1, le=1000)
    tags: tuple[str, ...] = ()
    group: str | None = None
    meta: dict[str, JsonValue] = {}

    @property
    def thread(self) -> Thread:
        """What happened first, as a thread."""
        return Thread(events=self.events)

    @property
    def note(self) -> CaseNote:
        """What tables and statistics need to know of it: no step is labelled."""
        return CaseNote(group=self.group, tags=self.tags, expect=(), last=self.events[-1].type, events=len(self.events))


@dataclass(frozen=True)
class TaskFile:
    """The tasks of a file by id, in its order; ``lines`` says where each stands, ``digest`` is the SHA-256 of its bytes.

    Like a dataset's file it has notes; it has no case, and no word that is called something else now.
    """

    name: str
    path: Path
    digest: str
    tasks: Mapping[str, Task]
    lines: Mapping[str, int]
    cases: tuple[Case, ...] = ()
    hint: str | None = None

    @cached_property
    def notes(self) -> Mapping[str, CaseNote]:
        """What is held of each task."""
        return {name: task.note for name, task in self.tasks.items()}

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of each task."""
        return {name: digest(task.model_dump(mode="json")) for name, task in self.tasks.items()}

    def where(self, task: str) -> str:
        """Name the file and line of a task, as errors do."""
        return f"{self.path.as_posix()}:{self.lines[task]}"


def available(folder: Path) -> dict[str, Path]:
    """List the files of tasks in a folder by name."""
    return dataset.available(folder)


def load(path: Path) -> TaskFile:
    """Read a file of tasks. The first mistake raises ``DatasetError`` with file and line."""
    found, lines = dataset.read(path, Task)
    return TaskFile(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest(), {task.id: task for task in found}, lines)
