"""An agent's part of a plan: a dataset's cases, chosen, checked and edited, with the functions that answer them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import TypeVar

from pydantic import JsonValue

from phrasing.baml.project import Function, Project
from phrasing.errors import BamlError, DatasetError, FormatError, unknown
from phrasing.messages import check_text
from phrasing.plan import few_shot
from phrasing.plan.few_shot import Example
from phrasing.prompts import edits, formats
from phrasing.prompts.edits import Edit
from phrasing.prompts.formats import Format
from phrasing.prompts.rewrites import Rewritten, check_effect, rewrite
from phrasing.prompts.template import Template, take_apart
from phrasing.score import bag_of_words, labels, parse
from phrasing.score.no_model import NoModel, of_cases
from phrasing.score.parse import Parser
from phrasing.suite import dataset, rewrites
from phrasing.suite.dataset import Dataset, infer_roles
from phrasing.suite.file import Place, SuiteFile
from phrasing.suite.sample import draw
from phrasing.suite.schema import Agent, Suite
from phrasing.types import NO_EDIT, Case, CaseNote, Rendering, Thread

T = TypeVar("T")


@dataclass(frozen=True)
class AgentPlan:
    """A dataset with the functions that answer it; ``threads`` have their roles filled in.

    ``notes`` are what is held of its cases, by id. ``edited`` are the threads by the suite's edits, then by case; ``none`` is
    among them where the suite names it. A case and a thread are made when they are looked at, as all of them take much memory;
    what edits make of a thread raises ``FormatError`` where that can't be.
    ``examples`` are shown to the functions that take some; with their groups they set ``set_aside`` cases aside. ``rewritten``
    are those of its functions that a rewrite changes.
    """

    dataset: Dataset
    notes: Mapping[str, CaseNote]
    cases: Mapping[str, Case]
    threads: Mapping[str, Thread]
    edited: Mapping[str, Mapping[str, Thread]]
    templates: Mapping[str, Template]
    text: str | None = None
    examples: tuple[Example, ...] = ()
    set_aside: int = 0
    rewritten: Mapping[str, Rewritten] = field(default_factory=dict)

    @cached_property
    def steps(self) -> frozenset[str]:
        """The intents of all steps that its functions pick from."""
        return frozenset(intent for template in self.templates.values() for intent in template.function.steps)

    @cached_property
    def parsers(self) -> Mapping[str, Parser]:
        """A parser per function."""
        return {name: Parser(template, self.text) for name, template in self.templates.items()}

    @cached_property
    def by_words(self) -> Mapping[str, Mapping[str, str]]:
        """What a rule that looks at the threads' words picks, by function and case."""
        return bag_of_words.picks(self.cases, {name: made.function.steps for name, made in self.templates.items()})

    def no_model(self, function: str) -> NoModel:
        """How often rules that ask no model are right."""
        return of_cases(self.notes, self.templates[function].function.steps, self.by_words[function])

    def render(self, format: Format, case: str, edit: str = NO_EDIT) -> Rendering:
        """Render a case, edited or as it is. Raises ``FormatError`` that names the case."""
        try:
            return formats.render(format, self.threads[case] if edit == NO_EDIT else self.edited[edit][case])
        except FormatError as error:
            raise self.at(case, error) from None

    def at(self, case: str, error: FormatError) -> FormatError:
        """Give the error that names the case too, and its line."""
        return FormatError(f"{error} (case {case!r}, {self.dataset.where(case)})")


def load_agents(file: SuiteFile, suite: Suite, project: Project, editing: Mapping[str, Edit]) -> dict[str, AgentPlan]:
    """Load the agents of a suite, by dataset, and hold their cases against their functions. Raises a ``UserError``."""
    known = dataset.available(file.root / "datasets")
    agents: dict[str, AgentPlan] = {}
    for i, agent in enumerate(suite.agents):
        place = file.at("agents", i)
        if agent.dataset not in known:
            hint = "" if known else f"; write it, or make it of a log: phrasing import LOG -o datasets/{agent.dataset}.jsonl"
            raise place.at("dataset").error(unknown("dataset", agent.dataset, known) + hint)
        if agent.dataset in agents:
            raise place.at("dataset").error(f"{agent.dataset!r} is named twice; name all its functions in one entry")
        found = _functions(place, agent, project)
        templates = _templates(place, agent, found)
        functions = [template.function for template in templates.values()]
        parse.check_text(file, i, agent, functions, suite.outputs)
        looked = _Looked(functions, project.intents)
        read = dataset.load(known[agent.dataset], partial(labels.named, functions=functions), looked)
        rest, tagged = _askable(place, agent, read)
        if looked.label:
            raise looked.label
        made = _edited(_agent(read, templates, draw(tagged, agent.sample, suite.seed), looked.roles), suite, editing)
        shown = few_shot.choose(place, agent, read, functions, looked.answers)
        rewritten = {name: each for name, each in found.items() if each.file is not None}
        agents[agent.dataset] = replace(
            made, text=agent.text, examples=shown, set_aside=len(read.notes) - len(rest), rewritten=rewritten
        )
    return agents


class _Looked:
    """What is wrong with a dataset's cases, by the functions that answer them: found while it is read, as no case is held.

    ``label`` is the first mistake in a label, also of cases that a sample leaves out; ``answers`` and ``roles`` say by case what
    is wrong with its answer, and with what its thread says of roles and calls.
    """

    def __init__(self, functions: Sequence[Function], elsewhere: Collection[str]) -> None:
        self.label: DatasetError | None = None
        self.answers, self.roles = dict[str, str](), dict[str, str]()
        self._functions, self._elsewhere = functions, elsewhere
        steps = frozenset(intent for function in functions for intent in function.steps)
        self._roles = lru_cache(maxsize=1024)(partial(dataset.roles, steps=steps))  # many threads go the same way

    def __call__(self, case: Case, where: str) -> None:
        """Look at a case."""
        if self.label is None:
            try:
                labels.check(case, self._functions, where=where, elsewhere=self._elsewhere)
                self._keep(self.answers, case, lambda: few_shot.check(case, self._functions))
            except DatasetError as error:
                self.label = error.with_traceback(None)  # which would hold the case
        events = tuple((event.type, event.role, event.call) for event in case.thread.events)
        self._keep(self.roles, case, lambda: self._roles(events))

    def _keep(self, found: dict[str, str], case: Case, check: Callable[[], object]) -> None:
        try:
            check()
        except ValueError as error:
            found[case.id] = str(error)


def _functions(place: Place, agent: Agent, project: Project) -> dict[str, Rewritten]:
    """Find the functions of an agent, rewritten where it says so, and hold what it says of their parameters against them."""
    found = {name: _function(place.at("functions"), name, project) for name in agent.functions}
    known = {name for made in found.values() for name in made.function.parameters}
    if agent.thread is not None and agent.thread not in known:
        raise place.at("thread").error(unknown("parameter", agent.thread, known))
    for name, value in agent.arguments.items():
        if name not in known:
            raise place.at("arguments").error(unknown("parameter", name, known), name)
        try:
            check_text("the value", json.dumps(value, ensure_ascii=False))
            for made in found.values():
                if name in made.function.parameters:
                    made.function.parameters[name].check(value)
        except ValueError as error:
            raise place.at("arguments", name).error(error) from None
    return found


def _function(place: Place, written: str, project: Project) -> Rewritten:
    """Find a function, and rewrite it where a rewrite is named: ``Pick(terse)``."""
    try:
        name, named = rewrites.split(written)
        function = project.find(name)
        if named is None:
            return Rewritten(function)
        file = rewrites.load(place.file.root, named)
    except (BamlError, ValueError) as error:
        raise place.error(error) from None
    return rewrite(project, name, file)


def _templates(place: Place, agent: Agent, functions: Mapping[str, Rewritten]) -> dict[str, Template]:
    """Fill the parameters of functions, and take their prompts apart; hold what a rewrite changes against what there was."""

    def made_of(function: Function, more: Mapping[str, JsonValue]) -> Template:
        return take_apart(function.filled(agent.thread, {**agent.arguments, **more}))

    templates = {}
    for name, made in functions.items():
        try:
            templates[name] = made_of(made.function, made.arguments)
        except BamlError as error:
            raise made.file.error(error) if made.file else place.at("functions").error(error) from None
        if made.file is not None and made.was is not None:
            for parameter, value in made.arguments.items():
                if parameter in agent.arguments and agent.arguments[parameter] == value:
                    raise made.file.error("is the suite's value already", "arguments", parameter)
            with suppress(BamlError):  # without the rewrite it may lack something, and then there is nothing to compare with
                check_effect(templates[name], made_of(made.was, {}), made.file)
    return templates


def _askable(place: Place, agent: Agent, read: Dataset) -> tuple[dict[str, CaseNote], dict[str, CaseNote]]:
    """Give the cases that examples leave, and those of them that have one of the agent's tags."""
    rest = few_shot.others(read.notes, agent.examples)
    if not rest:
        raise place.at("examples").error("leave no case to ask")
    tags = {tag for note in read.notes.values() for tag in note.tags}
    for tag in agent.tags:
        if tag not in tags:
            raise place.at("tags").error(unknown("tag", tag, tags))
    tagged = {name: note for name, note in rest.items() if not agent.tags or not set(agent.tags).isdisjoint(note.tags)}
    if not tagged:
        raise place.at("tags").error(f"the examples and their groups are all the cases with {', '.join(agent.tags)}")
    return rest, tagged


def _agent(read: Dataset, templates: Mapping[str, Template], chosen: Sequence[str], wrong_roles: Mapping[str, str]) -> AgentPlan:
    for name in chosen:
        if name in wrong_roles:
            raise DatasetError(wrong_roles[name], where=read.where(name))
    notes = {name: read.notes[name] for name in chosen}
    threads = _Made(notes, lru_cache(maxsize=1024)(lambda case: infer_roles(read.cases.of(case).thread, agent.steps)[0]))
    agent = AgentPlan(read, notes, _Made(notes, read.cases.of), threads, {}, templates)
    return agent


class _Made(Mapping[str, T]):
    """Something for each of some cases: made when it is looked at."""

    def __init__(self, cases: Collection[str], make: Callable[[str], T]) -> None:
        self._cases, self._make = cases, make

    def __getitem__(self, case: str) -> T:
        if case not in self._cases:
            raise KeyError(case)
        return self._make(case)

    def __iter__(self) -> Iterator[str]:
        return iter(self._cases)

    def __len__(self) -> int:
        return len(self._cases)


def _edited(agent: AgentPlan, suite: Suite, editing: Mapping[str, Edit]) -> AgentPlan:
    """Have every thread edited."""

    def by(edit: Edit) -> _Made[Thread]:
        @lru_cache(maxsize=1024)
        def make(case: str) -> Thread:
            try:
                return edits.apply(edit, agent.threads[case], agent.steps)
            except FormatError as error:
                raise agent.at(case, error) from None

        return _Made(agent.notes, make)

    return replace(agent, edited={name: by(editing[name]) if name in editing else agent.threads for name in suite.edits})
