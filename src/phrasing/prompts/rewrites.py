"""Functions rewritten as a file in ``prompts/`` says: ``DetermineNextStep(terse)``.

The sources are changed in memory, and BAML compiles them as if somebody had written them so: no file changes. What isn't there,
doesn't belong to the function or changes nothing is refused. The contract is ``docs/prompts.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from pydantic import JsonValue

from phrasing.baml import rewriting
from phrasing.baml.project import Function, Project
from phrasing.baml.rewriting import Texts
from phrasing.errors import BamlError, shorten, unknown
from phrasing.messages import check_text
from phrasing.prompts.template import Template
from phrasing.suite.rewrites import ALL, Rewrite, RewriteFile
from phrasing.types import digest

_SHOWN = 60
"""How many characters of a text are shown."""


@dataclass(frozen=True)
class Rewritten:
    """A function as a suite names it.

    Where that names a rewrite: its ``file``, the function as it ``was``, the values of parameters that it gives (``arguments``),
    and all its ``changes`` in words. ``added`` are the tools among its steps that a suite adds.
    """

    function: Function
    file: RewriteFile | None = None
    was: Function | None = None
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def rewrite(project: Project, name: str, file: RewriteFile) -> Rewritten:
    """Rewrite a function. Raises ``SuiteError`` with the rewrite's file and line, ``BamlError`` for the function itself."""
    was = project.find(name)
    texts: Texts = {str(project.path / source): text for source, text in project.texts.items()}
    said = []
    for change in _changes(was, file.rewrite):
        try:
            texts = change.make(texts)
        except ValueError as error:
            raise file.error(error, *change.keys) from None
        said.append(change.said)
    _check_used(texts, name, file)
    try:
        changed = dict(zip(project.texts, texts.values(), strict=True))
        function = project.rewritten(
            changed, types=bool(file.rewrite.steps or file.rewrite.fields or file.rewrite.descriptions)
        ).find(name)
    except BamlError as error:
        raise file.error(f"{name!r} can't be run with it: {error}") from None
    arguments = file.rewrite.arguments
    _check_arguments(function, file)
    said += [f"{parameter} is {_short(value)}" for parameter, value in arguments.items()]
    return Rewritten(function, file, was, arguments, tuple(said))


def _check_used(texts: Texts, function: str, file: RewriteFile) -> None:
    """Refuse a ``template_string`` that the function's prompt doesn't come to."""
    for name in file.rewrite.template_strings:
        try:
            used = rewriting.used_templates(texts, function)
            if name not in used:
                raise ValueError(f"{function!r} doesn't use it; it uses: {', '.join(sorted(used)) or 'none'}")
        except ValueError as error:
            raise file.error(error, "template_strings", name) from None


def _check_arguments(function: Function, file: RewriteFile) -> None:
    for name, value in file.rewrite.arguments.items():
        try:
            if name not in function.parameters:
                raise ValueError(unknown("parameter", name, function.parameters))
            check_text("the value", json.dumps(value, ensure_ascii=False))
            function.parameters[name].check(value)
        except ValueError as error:
            raise file.error(error, "arguments", name) from None


def check_effect(made: Template, was: Template, file: RewriteFile) -> None:
    """Raise ``SuiteError`` where a rewritten function sends what it sent before."""
    if (made.messages, made.plain, _steps(made.function)) == (was.messages, was.plain, _steps(was.function)):
        raise file.error(f"changes nothing of what {made.function.name!r} sends")


def _steps(function: Function) -> str:
    """Write what tools and an enforced schema are made of, in its order."""
    return json.dumps([[step.intent, step.description, step.schema] for step in function.steps.values()])


@dataclass(frozen=True)
class _Change:
    """One change of the sources: where it stands in the rewrite, what it is in words, and how it is made."""

    keys: tuple[str | int, ...]
    said: str
    make: Callable[[Texts], Texts]


def _changes(function: Function, rewrite: Rewrite) -> Iterator[_Change]:
    """Give the changes in the order in which they are made."""
    make: Callable[[Texts], Texts]
    for name, text in rewrite.template_strings.items():
        make = partial(rewriting.replace_template, name=name, text=text)
        yield _Change(("template_strings", name), f"template_string {name} says {_short(text)}", make)
    for i, each in enumerate(rewrite.replace):
        make = partial(rewriting.replace_text, function=function.name, text=each.text, by=each.by)
        yield _Change(("replace", i), f"{_short(each.text)} becomes {_short(each.by)}", make)
    if rewrite.steps is not None:
        order, seed = rewrite.steps.order, rewrite.steps.shuffle
        said = f"order of steps: {', '.join(order)}" if order else f"steps in an order drawn by seed {seed}"
        make = partial(_reorder_steps, function=function, order=order or _drawn(function, seed))
        yield _Change(("steps",), said, make)
    for name, order in rewrite.fields.items():
        if name == ALL:
            said = f"fields of all steps: {', '.join(order)}"
            yield _Change(("fields",), said, partial(_reorder_all, function=function, order=order, but=rewrite.fields.keys()))
        else:
            make = partial(_reorder, function=function, name=name, order=order)
            yield _Change(("fields", name), f"fields of {name}: {', '.join(order)}", make)
    for name, described in rewrite.descriptions.items():
        said = f"{name} is described as {_short(described)}" if described is not None else f"{name} has no description"
        yield _Change(("descriptions", name), said, partial(_describe, function=function, name=name, text=described))


def _drawn(function: Function, seed: int | None) -> list[str]:
    """Draw an order of steps: a step that is new leaves the others' order as it is."""
    return sorted(function.members, key=lambda member: digest(f"{seed}:{member}"))


def _reorder_steps(texts: Texts, function: Function, order: Sequence[str]) -> Texts:
    members = list(function.members)
    for name in order:
        if name != rewriting.REST and name not in members:
            raise ValueError(unknown("step", name, members))
    wanted = rewriting.arranged(order, members)
    if wanted == members:
        raise ValueError(f"{function.name!r} has its steps in this order already: {', '.join(members)}")
    return rewriting.replace_returns(texts, function.name, wanted, many=function.many)


def _reorder(texts: Texts, function: Function, name: str, order: Sequence[str]) -> Texts:
    _check_type(function, name)
    return rewriting.reorder(texts, name, order, _shown(function)[name])


def _reorder_all(texts: Texts, function: Function, order: Sequence[str], but: Collection[str]) -> Texts:
    """Put the fields of all steps ``but`` some in an order; a step may lack some that are named, and have this order already."""
    shown = _shown(function)
    steps = {
        step.model.__name__: None for step in function.steps.values() if step.value is None and step.model.__name__ not in but
    }
    known = {field for name in steps for field in shown[name]}
    for name in order:
        if name != rewriting.REST and name not in known:
            raise ValueError(unknown("field", name, known))
    changed = texts
    for name in steps:
        mine = [field for field in order if field == rewriting.REST or field in shown[name]]
        if rewriting.arranged(mine, list(shown[name])) != list(shown[name]):
            changed = rewriting.reorder(changed, name, mine, shown[name])
    if changed == texts:
        raise ValueError("all steps have their fields in this order already")
    return changed


def _describe(texts: Texts, function: Function, name: str, text: str | None) -> Texts:
    _check_type(function, name.partition(".")[0])
    return rewriting.describe(texts, name, text)


def _check_type(function: Function, name: str) -> None:
    known = [each for each in function.types if each in _shown(function)]
    if name not in known:
        raise ValueError(f"{function.name!r} returns no {name}; {unknown('class or enum', name, known)}")


def _shown(function: Function) -> Mapping[str, Mapping[str, str]]:
    """Give the fields that BAML shows of each class, and the values of each enum."""
    return next(iter(function.steps.values())).names


def _short(value: JsonValue) -> str:
    if isinstance(value, str):
        return json.dumps(shorten(value, _SHOWN), ensure_ascii=False)
    return shorten(json.dumps(value, ensure_ascii=False), _SHOWN)
