"""The files of a project that an environment somebody else wrote needs: tasks, functions that pick its steps, a suite.

They are made of the package where it is unpacked, since nothing of it comes with us, and are the user's from then on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from phrasing.baml.tools.lists import Tool, read_tools
from phrasing.baml.tools.write import Written, defined, function_name, write_baml
from phrasing.prompts import formats
from phrasing.suite.tasks import Task

MODEL = "openai/gpt-4.1-mini"
"""Whom the suite asks: agents of many steps are too much for a small model."""

FORMATS = ("xml_yaml", "xml_json")
"""The formats that the suite compares, where a project has them."""

LABEL = "next"
"""What the suite calls the functions, which differ in their tools alone."""


@dataclass(frozen=True)
class Group:
    """Tasks with the same tools: the name of their ``file``, their ``function``, and both."""

    file: str
    function: str
    tools: tuple[Tool, ...]
    tasks: tuple[Task, ...]


def groups(stem: str, made: Mapping[str, Any], source: Mapping[str, JsonValue]) -> list[Group]:
    """Read what an environment's driver made. ``source`` says in each task where it is from and under which licence."""
    found = []
    for name, group in made["groups"].items():
        file = f"{stem}-{name}" if name else stem
        tasks = tuple(Task.model_validate({**task, "meta": {**source}}) for task in group["tasks"])
        found.append(Group(file, function_name(file), read_tools({file: json.dumps(group["tools"])}).tools, tasks))
    return found


def lines(group: Group) -> Iterator[str]:
    """Write the tasks of a group, a line each, without what is left out."""
    for task in group.tasks:
        written = task.model_dump(mode="json", exclude_defaults=True)
        events = [_events(task.model_dump(mode="json")["events"])]
        turns = [_events(turn) for turn in task.model_dump(mode="json")["turns"]]
        line = {**written, "events": events[0], **({"turns": turns} if turns else {})}
        yield json.dumps(line, ensure_ascii=False) + "\n"


def _events(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if value is not None or name == "data"} for event in events]


def functions(found: Sequence[Group], made: Mapping[str, Any], others: Sequence[str]) -> Written:
    """Write the BAML of all groups; ``others`` are the project's other sources."""
    return write_baml(
        {group.function: group.tools for group in found},
        text=made["text"],
        instructions=made["instructions"],
        around=defined(others),
        verb="environments add",
    )


def suite(root: Path, title: str, environment: str, found: Sequence[Group]) -> Iterator[str]:
    """Write a suite of all groups for the project in a folder."""
    there = formats.available(root / "formats") if (root / "formats").is_dir() else FORMATS
    compared = [name for name in FORMATS if name in there] or sorted(there)[:1]
    yield f"# {title}\n"
    yield "# docs/environments.md says what is measured. A whole run asks a model thousands of times; `sample` takes a part.\n"
    yield f"description: How far does an agent get in the tasks of {environment}, by the format of its thread?\n"
    yield "agents:\n"
    for group in found:
        yield f"  - {{tasks: {group.file}, environment: {environment}, functions: {{{LABEL}: {group.function}}}}}\n"
    yield f"formats: [{', '.join(compared)}]\n"
    yield "outputs: [prompted]\n"
    yield f"models: [{MODEL}]\n"
