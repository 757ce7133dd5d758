"""An agent's part of a plan: a dataset's cases, chosen, checked and edited, with the functions that answer them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from itertools import product
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from phrasing.baml.project import Function, Project
from phrasing.baml.steps import StepType
from phrasing.errors import BamlError, DatasetError, FormatError, unknown
from phrasing.messages import check_text
from phrasing.plan import few_shot
from phrasing.plan.few_shot import Example
from phrasing.prompts import distractors, edits, formats
from phrasing.prompts.distractors import Added
from phrasing.prompts.edits import Edit
from phrasing.prompts.formats import Format
from phrasing.prompts.notation_probe import prove
from phrasing.prompts.notations import Notation, text
from phrasing.prompts.rewrites import Rewritten, check_effect, rewrite
from phrasing.prompts.template import Template, take_apart, with_schema
from phrasing.rollout import find
from phrasing.rollout.environment import Environment
from phrasing.score import bag_of_words, labels, parse
from phrasing.score.no_model import NoModel, of_cases
from phrasing.score.parse import Parser
from phrasing.suite import dataset, rewrites, sample, tasks
from phrasing.suite.dataset import Dataset, infer_roles
from phrasing.suite.file import Place, SuiteFile
from phrasing.suite.functions import split
from phrasing.suite.schema import Agent, Suite
from phrasing.suite.tasks import Task, TaskFile
from phrasing.types import NO_EDIT, Case, CaseNote, Output, Rendering, Thread

T = TypeVar("T")

_NOTHING = TaskFile("", Path(), "", {}, {})
"""What an agent has before its cases or tasks are read."""


@dataclass(frozen=True)
class AgentPlan:
    """A dataset with the functions that answer it; ``threads`` have their roles filled in.

    ``templates`` are by the functions' own names, ``labels`` say which of them a variant's function stands for. ``notes`` are
    what is held of its cases, by id. ``edited`` are the threads by the suite's edits, then by case; ``none`` is among them where
    the suite names it. A case and a thread are made when they are looked at, as all of them take much memory; what edits make of
    a thread raises ``FormatError`` where that can't be.
    ``examples`` are shown to the functions that take some; with their groups they set ``set_aside`` cases aside. ``rewritten``
    are those of its functions that a rewrite changes; ``added`` the tools that are added to steps, ``added_to`` names them by
    label. ``notations`` are those that outputs name, and ``noted`` the templates that show these, by function and output;
    ``templates`` show what BAML does.
    An agent that is run to its end has a ``world`` in place of a dataset's cases: notes and threads are those of its tasks.
    """

    dataset: Dataset | TaskFile
    templates: Mapping[str, Template]
    labels: Mapping[str, tuple[str, ...]]
    seed: int
    notes: Mapping[str, CaseNote] = field(default_factory=dict)
    cases: Mapping[str, Case] = field(default_factory=dict)
    threads: Mapping[str, Thread] = field(default_factory=dict)
    edited: Mapping[str, Mapping[str, Thread]] = field(default_factory=dict)
    text: str | None = None
    examples: tuple[Example, ...] = ()
    set_aside: int = 0
    rewritten: Mapping[str, Rewritten] = field(default_factory=dict)
    added: Added | None = None
    added_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notations: Mapping[Output, Notation] = field(default_factory=dict)
    noted: Mapping[tuple[str, Output], Template] = field(default_factory=dict)
    environment: Environment | None = None

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Its tasks by id, where it is run to its end."""
        return self.dataset.tasks if isinstance(self.dataset, TaskFile) else {}

    @cached_property
    def steps(self) -> frozenset[str]:
        """The intents of all steps that its functions pick from, without added tools: no thread means those."""
        every = {intent for template in self.templates.values() for intent in template.function.steps}
        return frozenset(every.difference(*self.added_to.values()))

    def template(self, function: str, output: Output) -> Template:
        """Give the template of a function's prompts under an output."""
        return self.noted.get((function, output)) or self.templates[function]

    @cached_property
    def parsers(self) -> Mapping[str, Parser]:
        """A parser per function, of answers as BAML has them written."""
        return {name: Parser(template, self.text) for name, template in self.templates.items()}

    def function(self, label: str, case: str) -> str:
        """Name the function that a case is asked with: of several under one label the one that the suite's seed draws.

        Labels with as many functions draw the same place for a case, so that it is the same one however many tools are added.
        """
        names = self.labels[label]
        return names[0] if len(names) == 1 else sample.pick(names, f"{self.dataset.name}:{case}", self.seed)

    def picked_from(self, label: str) -> Mapping[str, StepType]:
        """Give the steps that there are to pick from: the same for all functions under a label."""
        return self.templates[self.labels[label][0]].function.steps

    @cached_property
    def _noted_parsers(self) -> Mapping[tuple[str, Output], Parser]:
        return {key: Parser(template, self.text, self.notations[key[1]].answer) for key, template in self.noted.items()}

    def parser(self, function: str, output: Output) -> Parser:
        """Give the parser of the answers to a function under an output."""
        return self._noted_parsers.get((function, output)) or self.parsers[function]

    @cached_property
    def by_words(self) -> Mapping[str, Mapping[str, str]]:
        """What a rule that looks at the threads' words picks, by function's label and case."""
        if self.environment is not None:
            return {label: {} for label in self.labels}
        return bag_of_words.picks(self.cases, {label: self.picked_from(label) for label in self.labels})

    def no_model(self, label: str) -> NoModel:
        """How often rules that ask no model are right."""
        return of_cases(self.notes, self.picked_from(label), self.by_words[label])

    def render(self, format: Format, case: str, edit: str = NO_EDIT) -> Rendering:
        """Render a case, edited or as it is. Raises ``FormatError`` that names the case."""
        try:
            return formats.render(format, self.threads[case] if edit == NO_EDIT else self.edited[edit][case])
        except FormatError as error:
            raise self.at(case, error) from None

    def at(self, case: str, error: FormatError) -> FormatError:
        """Give the error that names the case too, and its line."""
        what = "task" if self.environment else "case"
        return FormatError(f"{error} ({what} {case!r}, {self.dataset.where(case)})")


def load_agents(
    file: SuiteFile, suite: Suite, project: Project, editing: Mapping[str, Edit], notations: Mapping[Output, Notation]
) -> dict[str, AgentPlan]:
    """Load the agents of a suite, by dataset, and hold their cases against their functions. Raises a ``UserError``."""
    known = dataset.available(file.root / (tasks.FOLDER if suite.loops else "datasets"))
    what = "tasks" if suite.loops else "dataset"
    agents: dict[str, AgentPlan] = {}
    for i, agent in enumerate(suite.agents):
        place = file.at("agents", i)
        if agent.dataset not in known:
            hint = f"; write it, or make it of a log: phrasing import LOG -o datasets/{agent.dataset}.jsonl"
            raise place.at(what).error(unknown(what, agent.dataset, known) + ("" if known or suite.loops else hint))
        if agent.dataset in agents:
            raise place.at(what).error(f"{agent.dataset!r} is named twice; name all its functions in one entry")
        bases = _bases(place, agent, project)
        added = _added(place, agent, bases)
        found = _functions(place, agent, project, added)
        templates = _templates(place, agent, found)
        _check_alike(place.at("functions"), agent, templates)
        parse.check_text(file, i, agent, bases, suite.outputs)
        empty = AgentPlan(
            dataset=_NOTHING,
            templates=templates,
            labels=agent.asked,
            seed=suite.seed,
            added=added,
            added_to={label: tools for label, (name, *_) in agent.asked.items() if (tools := found[name].added)},
            rewritten={name: each for name, each in found.items() if each.file is not None},
            notations=notations,
            noted=_noted(place, templates, notations),
        )
        if suite.loops:
            agents[agent.dataset] = _edited(_with_tasks(empty, place, agent, known[agent.dataset]), suite, editing)
            continue
        looked = _Looked(bases, project.intents.difference(added.names if added else ()))
        read = dataset.load(known[agent.dataset], partial(labels.named, functions=bases), looked)
        rest, wanted = _askable(place, agent, read, looked.completed)
        if looked.label:
            raise looked.label
        drawn = sample.draw(wanted, agent.sample, suite.seed)
        made = _edited(_with_cases(empty, read, drawn, looked.roles), suite, editing)
        shown = few_shot.choose(place, agent, read, [template.function for template in templates.values()], looked.answers)
        agents[agent.dataset] = replace(made, text=agent.text, examples=shown, set_aside=len(read.notes) - len(rest))
    return agents


class _Looked:
    """What is wrong with a dataset's cases, by the functions that answer them: found while it is read, as no case is held.

    ``label`` is the first mistake in a label, also of cases that a sample leaves out; ``answers`` and ``roles`` say by case what
    is wrong with its answer, and with what its thread says of roles and calls. ``completed`` are its steps that have a result.
    """

    def __init__(self, functions: Sequence[Function], elsewhere: Collection[str]) -> None:
        self.label: DatasetError | None = None
        self.answers, self.roles = dict[str, str](), dict[str, str]()
        self.completed: dict[str, int] = {}
        self._functions, self._elsewhere = functions, elsewhere
        steps = frozenset(intent for function in functions for intent in function.steps)
        self._roles = lru_cache(maxsize=1024)(partial(dataset.roles, steps=steps))  # many threads go the same way

    def __call__(self, case: Case, where: str) -> None:
        """Look at a case."""
        if self.label is None:
            try:
                labels.check(case, self._functions, where=where, elsewhere=self._elsewhere)
                few_shot.check(case, self._functions)
            except DatasetError as error:
                self.label = error.with_traceback(None)  # which would hold the case
            except ValueError as error:
                self.answers[case.id] = str(error)
        events = tuple((event.type, event.role, event.call) for event in case.thread.events)
        try:
            self.completed[case.id] = sum(role == "result" for role, *_ in self._roles(events))
        except ValueError as error:
            self.roles[case.id] = str(error)


def _bases(place: Place, agent: Agent, project: Project) -> list[Function]:
    """Find the functions of an agent as they stand in the sources, each once."""
    try:
        return [project.find(name) for name in dict.fromkeys(split(written).name for written in agent.names)]
    except (BamlError, ValueError) as error:
        raise place.at("functions").error(error) from None


def _added(place: Place, agent: Agent, bases: Iterable[Function]) -> Added | None:
    """Draw the tools that are added to the steps of an agent's functions, if it says so."""
    largest = max(split(written).added for written in agent.names)
    if agent.distractors is None:
        if largest:
            raise place.at("functions").error("tools can't be added, because distractors names none")
        return None
    steps = {intent: step for function in bases for intent, step in function.steps.items()}
    return distractors.load(place.at("distractors"), agent.distractors, largest, steps)


def _functions(place: Place, agent: Agent, project: Project, added: Added | None) -> dict[str, Rewritten]:
    """Find the functions of an agent, changed where it says so, and hold what it says of their parameters against them."""
    found = {name: _function(place.at("functions"), name, project, added) for name in agent.names}
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


def _function(place: Place, written: str, project: Project, added: Added | None) -> Rewritten:
    """Find a function, with added tools and rewritten where that is named: ``Pick(terse+20)``."""
    name, rewritten, count = split(written)
    if added and count:
        project = distractors.add(project, name, added, count)
    names = added.names[:count] if added else ()
    if rewritten is None:
        return Rewritten(project.find(name), added=names)
    try:
        file = rewrites.load(place.file.root, rewritten)
    except ValueError as error:
        raise place.error(error) from None
    return replace(rewrite(project, name, file), added=names)


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


def _check_alike(place: Place, agent: Agent, templates: Mapping[str, Template]) -> None:
    """Hold that the functions under one label have the same steps: else their scores mean different things."""
    for label, (first, *others) in agent.asked.items():
        for other in others:
            one, two = (templates[name].function.steps.keys() for name in (first, other))
            if one != two:
                told = ", ".join(sorted(one ^ two))
                raise place.error(f"{label}: {first} and {other} don't have the same steps: only one of them has {told}")


def _noted(
    place: Place, templates: Mapping[str, Template], notations: Mapping[Output, Notation]
) -> dict[tuple[str, Output], Template]:
    """Put notations into the prompts of functions, and prove that what they write is what they read."""
    noted = {}
    for (name, template), (output, notation) in product(templates.items(), notations.items()):
        try:
            noted[name, output] = with_schema(template, partial(text, notation, template.function))
        except BamlError as error:
            raise place.at("functions").error(f"output {output}: {error}") from None
        if notation.answer is not None:
            prove(notation.answer, template.function)
    return noted


def _askable(
    place: Place, agent: Agent, read: Dataset, completed: Mapping[str, int]
) -> tuple[dict[str, CaseNote], dict[str, CaseNote]]:
    """Give the cases that examples leave, and those of them that the agent asks: with one of its tags, and steps enough.

    ``completed`` says how many steps of a case have a result.
    """
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
    if agent.min_steps is None:
        return rest, tagged
    least = agent.min_steps
    wanted = {name: note for name, note in tagged.items() if completed.get(name, least) >= least}  # else a mistake, said later
    if not wanted:
        most = max(completed[name] for name in tagged)
        raise place.at("min_steps").error(f"no thread has {least} steps with a result; the most is {most}")
    return rest, wanted


def _with_cases(agent: AgentPlan, read: Dataset, chosen: Sequence[str], wrong_roles: Mapping[str, str]) -> AgentPlan:
    """Give an agent its cases. Raises ``DatasetError`` for one whose events contradict each other."""
    for name in chosen:
        if name in wrong_roles:
            raise DatasetError(wrong_roles[name], where=read.where(name))
    notes = {name: read.notes[name] for name in chosen}
    threads = _Made(notes, lru_cache(maxsize=1024)(lambda case: infer_roles(read.cases.of(case).thread, agent.steps)[0]))
    return replace(agent, dataset=read, notes=notes, cases=_Made(notes, read.cases.of), threads=threads)


def _with_tasks(agent: AgentPlan, place: Place, named: Agent, path: Path) -> AgentPlan:
    """Give an agent its tasks and its environment. Raises a ``UserError`` for what doesn't fit its functions."""
    read = tasks.load(path)
    try:
        environment = find.find(place.file.root, named.environment or named.dataset)
    except ValueError as error:
        raise place.at("environment" if named.environment != named.dataset else "tasks").error(error) from None
    tags = {tag for task in read.tasks.values() for tag in task.tags}
    for tag in named.tags:
        if tag not in tags:
            raise place.at("tags").error(unknown("tag", tag, tags))
    wanted = {name: task.note for name, task in read.tasks.items() if not named.tags or not set(named.tags).isdisjoint(task.tags)}
    notes = {name: wanted[name] for name in sample.draw(wanted, named.sample, agent.seed)}
    threads = {}
    for name, task in read.tasks.items():
        try:
            _check_task(task, agent, environment)
            threads[name] = infer_roles(task.thread, agent.steps)[0]
        except ValueError as error:
            raise DatasetError(str(error), where=read.where(name)) from None
    return replace(agent, dataset=read, environment=environment, notes=notes, threads=threads)


def _check_task(task: Task, agent: AgentPlan, environment: Environment) -> None:
    """Raise ``ValueError`` for a step that no function has, or an effect that the environment doesn't name."""
    for number, rule in enumerate(task.people):
        if rule.asked.intent not in agent.steps:
            raise ValueError(f"people[{number}].asked.intent: {unknown('step', rule.asked.intent, agent.steps)}")
    for number, effect in enumerate(task.forbid if environment.effects is not None else ()):
        if effect.type not in (environment.effects or ()):
            raise ValueError(f"forbid[{number}].type: {unknown('effect', effect.type, environment.effects or ())}")


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
