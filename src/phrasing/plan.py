"""The plan: a suite and its files become trials, with everything resolved and checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Protocol

from pydantic import ValidationError

from phrasing import answers, baml, dataset, examples, floors, formats, grid, labels, prompts, sampling, tokens, userscorers
from phrasing import edits as edit_files
from phrasing.answers import Parser
from phrasing.dataset import Dataset
from phrasing.edits import Edit
from phrasing.errors import BamlError, DatasetError, FormatError, ModelError, SuiteError, shorten, unknown
from phrasing.examples import Example
from phrasing.formats import Format
from phrasing.grid import Arms, History, Skipped
from phrasing.prompts import SHOWS_SCHEMA, Template
from phrasing.suite import ModelSpec, Suite, SuiteFile
from phrasing.types import NO_EDIT, Arm, Case, Prompt, Rendering, Request, Thread, Trial, digest
from phrasing.userscorers import UserScorer


class Render(Protocol):
    """Renders a case, and remembers recent renderings, which arms and repeats share."""

    def __call__(self, dataset: str, case: str, format: str, edit: str = NO_EDIT) -> Rendering:
        """Render a case of a dataset in a format, edited or as it is."""


@dataclass(frozen=True)
class AgentPlan:
    """A dataset with the functions that answer it; ``threads`` have their roles filled in, and ``inferred`` says how.

    ``edited`` are the threads by the suite's edits, then by case; ``none`` is among them where the suite names it.
    ``examples`` are shown to the functions that take some; with their groups they set ``set_aside`` cases aside.
    """

    dataset: Dataset
    cases: Mapping[str, Case]
    threads: Mapping[str, Thread]
    edited: Mapping[str, Mapping[str, Thread]]
    templates: Mapping[str, Template]
    inferred: Mapping[str, tuple[str, ...]]
    text: str | None = None
    examples: tuple[Example, ...] = ()
    set_aside: int = 0

    @cached_property
    def parsers(self) -> Mapping[str, Parser]:
        """A parser per function."""
        return {name: Parser(template, self.text) for name, template in self.templates.items()}

    def floors(self, function: str) -> floors.Floors:
        """How often rules that ask no model are right."""
        notes = {name: case.note for name, case in self.cases.items()}
        return floors.floors(notes, self.templates[function].function.steps)


@dataclass(frozen=True)
class Plan:
    """What a run will do. ``partial`` names the selection when only a part of the suite is asked, ``shard`` the share of it."""

    file: SuiteFile
    suite: Suite
    project: baml.Project
    agents: Mapping[str, AgentPlan]
    edits: Mapping[str, Edit]
    formats: Mapping[str, Format]
    scorers: Mapping[str, UserScorer]
    arms: Arms
    baselines: Mapping[Arm, Arm]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    trials: tuple[Trial, ...]
    partial: str | None
    shard: str | None
    render: Render
    examples: Mapping[tuple[str, str], Rendering]
    """What examples an agent shows, by dataset and format."""

    @cached_property
    def models(self) -> Mapping[str, ModelSpec]:
        """Models by label."""
        return {model.label: model for model in self.suite.models}

    def case(self, trial: Trial) -> Case:
        """The case of a trial."""
        return self.agents[trial.dataset].cases[trial.case]

    def parser(self, trial: Trial) -> Parser:
        """The parser for a trial's answer."""
        return self.agents[trial.dataset].parsers[trial.arm.function]

    def prompt(self, trial: Trial) -> Prompt:
        """What a trial sends."""
        rendering = self.render(trial.dataset, trial.case, trial.arm.format, trial.arm.edit)
        template = self.agents[trial.dataset].templates[trial.arm.function]
        shown = self.examples[trial.dataset, trial.arm.format]
        return prompts.compose(template, rendering, trial.arm.output, examples=shown)

    def request(self, trial: Trial, prompt: Prompt) -> Request:
        """The call that sends it. Later parameters win: the suite's, the model's; ``null`` leaves one out."""
        spec = self.models[trial.arm.model]
        drawn = f"{self.suite.seed}:{trial.dataset}:{trial.case}:{trial.repeat}"
        if self.suite.seeds == "independent":
            # an arm that edits nothing draws as it did before there were edits: its recordings stay good
            drawn += ":" + str(trial.arm).replace(f",{NO_EDIT},", ",", 1)
        seed = int(digest(drawn)[:7], 16)
        params = {"temperature": 0, "seed": seed, **self.suite.params, **spec.params}
        if prompt.tools:
            choice = "auto" if trial.arm.output == "tool_auto" else "required"
            params |= {"tool_choice": choice, "parallel_tool_calls": False}
        return Request(
            model=spec.id,
            messages=prompt.messages,
            tools=prompt.tools,
            response_format=prompt.response_format,
            params={name: value for name, value in params.items() if value is not None},
            api_base=spec.api_base,
        )


def resolve(
    file: SuiteFile,
    *,
    models: Sequence[str] = (),
    formats: Sequence[str] = (),
    edits: Sequence[str] = (),
    select: str | None = None,
    cases: int | None = None,
    repeats: int | None = None,
    shard: str | None = None,
    asked: Suite | None = None,
) -> Plan:
    """Resolve a suite against the files of its project and check all that can be checked without asking a model.

    ``models``, ``formats`` and ``edits`` replace the suite's; ``select`` (an expression over trial ids and tags) and ``cases``
    (how many) narrow it; ``shard`` (``2/5``) takes a share of what is left. ``asked`` is the suite as an earlier run narrowed it.
    Raises a ``UserError`` for the first thing that is wrong.
    """
    suite = asked or _override(file, models, formats, edits, repeats)
    try:
        tokens.check(suite.tokenizer)
    except ModelError as error:
        raise SuiteError(str(error), where=file.where("tokenizer")) from None
    own = userscorers.load(file, suite.scorers)
    grid.check_scores(file, suite)
    project = baml.load(file.root / suite.baml_src)
    loaded, editing = _formats(file, suite), edit_files.load(file, suite.edits)
    agents = _agents(file, suite, project, editing)

    @lru_cache(maxsize=4096)
    def render(dataset: str, case: str, format: str, edit: str = NO_EDIT) -> Rendering:
        return _render(loaded[format], agents[dataset], case, edit)

    shown = {(name, form): examples.render(loaded[form], agents[name].examples) for name in agents for form in suite.formats}
    histories = {
        (name, format): _check_format(loaded[format], agent, render, shown[name, format])
        for name, agent in agents.items()
        for format in suite.formats
    }
    arms, skipped = grid.make_arms(suite, histories)
    baselines, warning = grid.find_baselines(file, suite, arms)
    if suite == file.suite:
        grid.check_requirements(file, arms)
    _check_composing(file, suite, agents, arms, render, shown)
    listed = {name: agent.cases for name, agent in agents.items()}
    trials, partial = grid.select(suite, arms, listed, expression=select, limit=cases, shard=shard)
    return Plan(
        file=file,
        suite=suite,
        project=project,
        agents=agents,
        edits=editing,
        formats=loaded,
        scorers=own,
        arms=arms,
        baselines=baselines,
        skipped=skipped,
        warnings=(*([warning] if warning else []), *_warnings(suite, agents)),
        trials=trials,
        partial=partial,
        shard=shard,
        render=render,
        examples=shown,
    )


# ---------------------------------------------------------------------------------------------- resolving


def _override(file: SuiteFile, models: Sequence[str], chosen: Sequence[str], edits: Sequence[str], repeats: int | None) -> Suite:
    suite = file.suite
    changes: dict[str, object] = {}
    if models:
        known = {model.label: model for model in suite.models} | {model.id: model for model in suite.models}
        changes["models"] = [known.get(name) or {"id": name} for name in dict.fromkeys(models)]
    if chosen:
        changes["formats"] = list(dict.fromkeys(chosen))
    if edits:
        changes["edits"] = list(dict.fromkeys(edits))
    if repeats is not None:
        changes["repeats"] = repeats
    try:
        return Suite.model_validate({**dict(suite), **changes}) if changes else suite
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = ".".join(map(str, first["loc"])) or "models"
        raise SuiteError(f"{keys}: {first['msg']}, got {shorten(repr(first['input']), 80)}", where="command line") from None


def _formats(file: SuiteFile, suite: Suite) -> dict[str, Format]:
    folder = file.root / "formats"
    known = formats.available(folder)
    for i, name in enumerate(suite.formats):
        if name not in known:
            where = file.where("formats", i) if name in file.suite.formats else "--format"
            raise SuiteError(f"formats: {unknown('format', name, known)}", where=where)
    return {name: formats.load(folder, name) for name in suite.formats}


def _agents(file: SuiteFile, suite: Suite, project: baml.Project, editing: Mapping[str, Edit]) -> dict[str, AgentPlan]:
    folder = file.root / "datasets"
    known = dataset.available(folder)
    agents: dict[str, AgentPlan] = {}
    for i, agent in enumerate(suite.agents):
        if agent.dataset not in known:
            message = unknown("dataset", agent.dataset, known)
            raise SuiteError(f"agents.{i}.dataset: {message}", where=file.where("agents", i, "dataset"))
        if agent.dataset in agents:
            message = f"{agent.dataset!r} is named twice; name all its functions in one entry"
            raise SuiteError(f"agents.{i}.dataset: {message}", where=file.where("agents", i, "dataset"))
        templates = {}
        for name in agent.functions:
            try:
                templates[name] = prompts.take_apart(project.function(name))
            except BamlError as error:
                raise SuiteError(f"agents.{i}.functions: {error}", where=file.where("agents", i, "functions")) from None
        functions = [template.function for template in templates.values()]
        answers.check_text(file, i, agent, functions, suite.outputs)
        read = dataset.load(known[agent.dataset])
        rest = examples.others(read.cases, agent.examples)
        if not rest:
            raise SuiteError(f"agents.{i}.examples: leave no case to ask", where=file.where("agents", i, "examples"))
        tags = {tag for case in read.cases for tag in case.tags}
        for tag in agent.tags:
            if tag not in tags:
                raise SuiteError(f"agents.{i}.tags: {unknown('tag', tag, tags)}", where=file.where("agents", i, "tags"))
        tagged = [case for case in rest if not agent.tags or not set(agent.tags).isdisjoint(case.tags)]
        for case in read.cases:  # those too that a sample leaves out
            labels.check(case, functions, where=read.where(case.id), elsewhere=project.intents)
        made = _edited(_agent(read, templates, sampling.draw(tagged, agent.sample, suite.seed)), suite, editing)
        shown = examples.choose(file, i, agent, read, functions)
        agents[agent.dataset] = replace(made, text=agent.text, examples=shown, set_aside=len(read.cases) - len(rest))
    return agents


def _agent(read: Dataset, templates: Mapping[str, Template], cases: Iterable[Case]) -> AgentPlan:
    functions = [template.function for template in templates.values()]
    steps = frozenset(intent for function in functions for intent in function.steps)
    threads, inferred = {}, {}
    chosen = {case.id: case for case in cases}
    for case in chosen.values():
        try:
            threads[case.id], inferred[case.id] = dataset.infer_roles(case.thread, steps)
        except ValueError as error:
            raise DatasetError(str(error), where=read.where(case.id)) from None
    return AgentPlan(read, chosen, threads, {}, templates, inferred)


def _edited(agent: AgentPlan, suite: Suite, editing: Mapping[str, Edit]) -> AgentPlan:
    """Edit every thread."""
    steps = frozenset(intent for template in agent.templates.values() for intent in template.function.steps)
    edited: dict[str, dict[str, Thread]] = {}
    for name in suite.edits:
        threads = edited.setdefault(name, {})
        for case, thread in agent.threads.items():
            try:
                threads[case] = edit_files.apply(editing[name], thread, steps) if name in editing else thread
            except FormatError as error:
                raise _for_case(error, agent, case) from None
    return replace(agent, edited=edited)


# ---------------------------------------------------------------------------------------------- formats


def _render(format: Format, agent: AgentPlan, case: str, edit: str) -> Rendering:
    thread = agent.threads[case] if edit == NO_EDIT else agent.edited[edit][case]
    try:
        return formats.render(format, thread)
    except FormatError as error:
        raise _for_case(error, agent, case) from None


def _for_case(error: FormatError, agent: AgentPlan, case: str) -> FormatError:
    return FormatError(f"{error} (case {case!r}, {agent.dataset.where(case)})")


def _check_format(format: Format, agent: AgentPlan, render: Render, shown: Rendering) -> History | None:
    """Render every case as it is and edited, look for dropped values, and say how the history shows the agent's steps.

    ``None``: the format makes text, or no case holds a step.
    """
    history: History | None = None
    if not isinstance(shown, str):  # examples end with a step
        history = "tool calls" if formats.uses_tools(shown) else "text"
    seen: dict[str, list[Thread]] = {case: [] for case in agent.cases}
    for edit, case in product(agent.edited, agent.cases):
        thread = agent.edited[edit][case]
        if thread in seen[case]:
            continue
        seen[case].append(thread)
        rendering = render(agent.dataset.name, case, format.name, edit)
        try:
            formats.probe(format, thread)
        except FormatError as error:
            raise _for_case(error, agent, case) from None
        if isinstance(rendering, str):
            continue
        if formats.uses_tools(rendering):
            history = "tool calls"
        elif history is None and any(message["role"] == "assistant" for message in rendering):
            history = "text"
    return history


def _check_composing(
    file: SuiteFile,
    suite: Suite,
    agents: Mapping[str, AgentPlan],
    arms: Arms,
    render: Render,
    shown: Mapping[tuple[str, str], Rendering],
) -> None:
    """Compose one case of every arm: what can't be composed (a tool's name, a slot for messages) fails here.

    Every text is held against what BAML itself makes of it: a prompt may look for a word that no probe holds.
    """
    for arm in {replace(arm, model=suite.models[0].label): None for arm in arms}:
        for name in arms.get(arm, ()):
            case = next(iter(agents[name].cases))
            try:
                template, example = agents[name].templates[arm.function], shown[name, arm.format]
                prompts.compose(template, render(name, case, arm.format, arm.edit), arm.output, examples=example)
            except BamlError as error:
                where = file.where("agents", list(agents).index(name), "functions")
                raise SuiteError(f"{arm.format} with output {arm.output}: {error}", where=where) from None
    for name, agent in agents.items():
        for case in agent.cases:
            made = [
                (render(name, case, format, edit), shown[name, format]) for format, edit in product(suite.formats, suite.edits)
            ]
            try:
                for template in agent.templates.values():
                    for text, example in made:
                        if isinstance(text, str) and isinstance(example, str):
                            prompts.verify(template, text, example)
            except BamlError as error:
                raise BamlError(f"{error} (case {case!r})", where=agent.dataset.where(case)) from None


def _warnings(suite: Suite, agents: Mapping[str, AgentPlan]) -> Iterator[str]:
    for agent in agents.values():
        if agent.text and "tool_auto" not in suite.outputs:
            yield f"{agent.dataset.name}: text: {agent.text} says nothing, because no output is tool_auto"
        for name, template in agent.templates.items():
            own = " ".join(p.text for _, pieces in template.messages for p in pieces if p.kind in ("instructions", "question"))
            tags = sorted(set(re.findall(r"</?[a-z_]+>", own)))
            if tags:
                yield f"{name}: its own text uses tags ({', '.join(tags[:3])}), which favours formats that do"
            if not template.schema and SHOWS_SCHEMA.intersection(suite.outputs):
                shown = ", ".join(sorted(SHOWS_SCHEMA.intersection(suite.outputs)))
                yield f"{name}: its prompt doesn't show ctx.output_format, so output {shown} sends no schema text"
