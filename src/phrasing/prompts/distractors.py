"""Functions with tools of another agent among their steps: ``Pick(+20)``. How many tools are too many, and which one is mistaken?

As for a rewrite, the sources are changed in memory before BAML reads them: the tools become classes, and the function returns
them too. So schema text, tools, enforced schema and parser are BAML's own. The contract is ``docs/distractors.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from phrasing.baml import rewriting
from phrasing.baml.project import Function, Project
from phrasing.baml.steps import StepType
from phrasing.baml.tools import lists, write
from phrasing.baml.tools.lists import Tool
from phrasing.baml.tools.names import free_name, tool_name
from phrasing.errors import BamlError, UserError, unknown
from phrasing.suite.file import Place
from phrasing.suite.schema import Distractors
from phrasing.types import digest

_FILE = "phrasing_distractors"
"""What the source is called that has the classes of tools; it is in no folder."""

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
_LITTLE = """
a all an and any are as at be by can for from has have if in into is it its no not of on one only or over so some that the them
then there these they this to up use used using was what when where which who will with you your
"""
_SMALL = frozenset(_LITTLE.split())
"""Words that say nothing of what a tool is for."""


@dataclass(frozen=True)
class Added:
    """Tools that are added to an agent's steps: in the order in which they are drawn, as many as the largest count.

    ``shown`` is their file as the suite names it, ``digest`` that of its text. ``near`` are the steps that a tool resembles, by
    the names of tools that somebody reviewed.
    """

    shown: str
    digest: str
    seed: int
    tools: tuple[Tool, ...]
    near: Mapping[str, Sequence[str]]
    place: Place = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The steps that the tools are, in the same order."""
        return tuple(tool_name(tool.name) for tool in self.tools)


# ---------------------------------------------------------------------------------------------- which tools


def load(place: Place, wanted: Distractors, largest: int, steps: Mapping[str, StepType]) -> Added:
    """Draw the tools that ``wanted`` says, ``largest`` of them, for an agent with these ``steps``.

    The order of the draw depends on the seed and on the names of tools alone: a tool that is left out, or new in the file,
    changes nothing about the others' order. Raises a ``UserError``: for a file that isn't there or holds no list of tools, too
    few tools, a tool named like a step, and one that resembles a step and that nobody has reviewed.
    """
    text = _text(place, wanted.tools)
    found = lists.read_tools({wanted.tools: text})
    known = {tool_name(tool.name): tool for tool in found.tools}
    for key in ("reviewed", "leave_out"):
        for name in getattr(wanted, key):
            if tool_name(name) not in known:
                raise place.at(key).error(unknown("tool", name, known))
    out = set(map(tool_name, wanted.leave_out))
    order = sorted(known.keys() - out, key=lambda name: digest(f"{wanted.seed}:{name}"))
    if len(order) < largest:
        less = f" without the {len(out)} under leave_out" if out else ""
        raise place.at("counts").error(f"{wanted.tools} has {len(order)} tools{less}, so {largest} can't be added")
    drawn = order[:largest]
    _check_names(place, drawn, steps)
    near = {name: alike for name in drawn if (alike := list(resembling(known[name], steps)))}
    _check_reviewed(place, near, set(map(tool_name, wanted.reviewed)))
    return Added(wanted.tools, digest(text), wanted.seed, tuple(known[name] for name in drawn), near, place)


def _text(place: Place, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise place.at("tools").error(f"{name!r} lies outside the project; wanted a path from its root")
    file = place.file.root / path
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise place.at("tools").error(f"{name!r} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise place.at("tools").error(f"{name!r} isn't UTF-8") from None


def _check_names(place: Place, names: Iterable[str], steps: Iterable[str]) -> None:
    """Refuse tools with the name of a step, however it is written: BAML reads an answer that names one as the other."""
    taken = {re.sub(r"[_-]", "", step).casefold(): step for step in steps}
    same = {name: taken[key] for name in names if (key := re.sub(r"[_-]", "", name).casefold()) in taken}
    if same:
        told = ", ".join(name if name == step else f"{name} ({step})" for name, step in same.items())
        raise place.error(f"tools have the names of the agent's own steps; name them under leave_out: {told}")


def _check_reviewed(place: Place, near: Mapping[str, Sequence[str]], reviewed: set[str]) -> None:
    """Refuse tools that may be right, until somebody says that they aren't."""
    waiting = {name: alike for name, alike in near.items() if name not in reviewed}
    if waiting:
        told = ", ".join(f"{name} ({', '.join(alike)})" for name, alike in waiting.items())
        raise place.error(
            f"tools that resemble a step, so that one could be a right answer, which is scored as wrong: {told}; read them, and "
            "name each under reviewed, if it is right in no case, or else under leave_out"
        )


def resembling(tool: Tool, steps: Mapping[str, StepType]) -> Iterator[str]:
    """Name the steps that a tool resembles: their names share a word, or name and description together share two."""
    name, whole = _words(tool_name(tool.name)), _about(tool_name(tool.name), tool.description)
    for intent, step in steps.items():
        if name & _words(intent) or len(whole & _about(intent, step.description or "")) > 1:
            yield intent


def _about(name: str, description: str) -> set[str]:
    """Give the words of a name, and of the first sentence that describes it."""
    return _words(name) | _words(_SENTENCE.split(description.strip(), maxsplit=1)[0])


def _words(text: str) -> set[str]:
    """Give the words of a text that say something, without the ``s`` of a plural."""
    found = {word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", text))} - _SMALL
    return {word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found}


# ---------------------------------------------------------------------------------------------- what they are added to


def add(project: Project, name: str, added: Added, count: int) -> Project:
    """Give the project with the first ``count`` tools among the steps of a function. Raises ``SuiteError`` where that can't be.

    The function's own steps keep their order. Each tool has a place between them, drawn by the seed and the tool's name, so that
    it has the same one whatever the count is.
    """
    was = project.find(name)
    if was.discriminator is None:
        raise added.place.error(
            f"{name!r} picks steps that no field tells apart, so tools can't be added; give its classes one, such as intent"
        )
    try:
        taken = {word for text in project.texts.values() for word in re.findall(r"\w+", text)}
        steps = write.write_steps(added.tools, tag=was.discriminator, shown=was.tags[0], taken=taken)
        texts = {**project.texts, f"{free_name(_FILE, set(_stems(project)))}.baml": steps.text}
        texts = rewriting.replace_returns(texts, name, _members(was, added, steps.classes[:count]), many=was.many)
        made = project.rewritten(texts, types=True)
        _check_kept(was, made.find(name), added.names[:count])
    except UserError as error:
        raise added.place.error(f"{name}(+{count}) can't be made with {added.shown}: {error}; leave_out takes names") from None
    except ValueError as error:
        raise added.place.error(f"{name}(+{count}): {error}") from None
    return made


def _stems(project: Project) -> Iterator[str]:
    for file in project.texts:
        yield PurePosixPath(file).stem


def _members(was: Function, added: Added, classes: Sequence[str]) -> list[str]:
    """List what the function picks from: its own steps in their order, and tools at their places between them."""
    places: dict[int, list[str]] = {}
    for tool, made in zip(added.names, classes, strict=False):
        at = int(digest(f"{added.seed}:{tool}:place"), 16) % (len(was.members) + 1)
        places.setdefault(at, []).append(made)
    return [part for at, own in enumerate([*was.members, None]) for part in (*places.get(at, ()), own) if part is not None]


def _check_kept(was: Function, made: Function, names: Iterable[str]) -> None:
    """Raise ``BamlError`` unless the function has its own steps, as they were and in their order, and the tools."""
    own = {intent: step for intent, step in made.steps.items() if intent in was.steps}
    as_they_were = [(step.intent, step.tag, step.description, step.schema) for step in was.steps.values()]
    if [(step.intent, step.tag, step.description, step.schema) for step in own.values()] != as_they_were:
        raise BamlError("its own steps would change")
    if made.steps.keys() - own.keys() != set(names):
        raise BamlError("a tool isn't told apart from the steps")
