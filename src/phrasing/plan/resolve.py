"""The plan: a suite and its files become trials, with everything resolved and checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from phrasing import trust
from phrasing.baml.project import Project, load_project
from phrasing.errors import BamlError, ModelError, SuiteError
from phrasing.models.provider import tool_rule
from phrasing.plan import code, grid
from phrasing.plan.agents import AgentPlan, load_agents
from phrasing.plan.grid import Blocks, GroupKey, History, Skipped, Variants
from phrasing.plan.renderings import Renderings
from phrasing.plan.selection import WHOLE, Selection, override
from phrasing.prompts import formats
from phrasing.prompts.edits import Edit, load_edits
from phrasing.prompts.formats import Format
from phrasing.prompts.notations import Notation, NotationFile, load_notations
from phrasing.prompts.template import SHOWS_SCHEMA, own_text
from phrasing.rollout import control
from phrasing.rollout.control import Control
from phrasing.score import user
from phrasing.score.parse import Parser
from phrasing.score.user import UserScorer
from phrasing.suite.file import SuiteFile
from phrasing.suite.rewrites import RewriteFile
from phrasing.suite.schema import ModelSpec, Suite
from phrasing.tokenizers import tokenizer
from phrasing.tokenizers.tokenizer import Tokenizer
from phrasing.tokenizers.tool_rules import ToolRule
from phrasing.types import NO_EDIT, Case, Output, Prompt, Request, Thread, Trial, Variant, digest


@dataclass(frozen=True)
class Plan:
    """What a run will do. ``blocks`` are the groups of its cases, in the order in which they are asked; ``partial`` names what
    narrows the suite, where only a part of it is asked.
    """

    file: SuiteFile
    suite: Suite
    project: Project
    agents: Mapping[str, AgentPlan]
    edits: Mapping[str, Edit]
    formats: Mapping[str, Format]
    notations: Mapping[Output, Notation]
    scorers: Mapping[str, UserScorer]
    variants: Variants
    baselines: Mapping[Variant, Variant]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    trials: tuple[Trial, ...]
    blocks: Blocks
    partial: str | None
    selection: Selection
    render: Renderings
    controls: Mapping[str, Control] = field(default_factory=dict)

    @cached_property
    def models(self) -> Mapping[str, ModelSpec]:
        """Models by label."""
        return {model.label: model for model in self.suite.models}

    @property
    def rewrites(self) -> Mapping[str, RewriteFile]:
        """The rewrites that its functions are asked with, by name."""
        found = (made.file for agent in self.agents.values() for made in agent.rewritten.values())
        return {file.name: file for file in found if file is not None}

    @property
    def notation_files(self) -> Mapping[str, NotationFile]:
        """The files of its notations, by name."""
        return {file.name: file for notation in self.notations.values() for file in notation.files}

    @property
    def hints(self) -> tuple[str, ...]:
        """Which words in its files are called something else now, each with file and line."""
        formats = (format.hint for format in self.formats.values())
        datasets = (agent.dataset.hint for agent in self.agents.values())
        return tuple(filter(None, (*self.file.hints, *formats, *datasets)))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The suite's tokenizer, for no model in particular."""
        return tokenizer.open_tokenizer(self.suite.tokenizer, self.file.root)

    @cached_property
    def tool_rules(self) -> Mapping[str, ToolRule]:
        """How models are shown tools and an enforced schema, by label."""
        return {label: tool_rule(spec) for label, spec in self.models.items()}

    @cached_property
    def tokenizers(self) -> Mapping[str, Tokenizer]:
        """The suite's tokenizer as it counts for each model, by label; one for all that are shown tools alike."""
        rules = {rule: self.tokenizer.under(rule) for rule in self.tool_rules.values()}
        return {label: rules[rule] for label, rule in self.tool_rules.items()}

    def case(self, trial: Trial) -> Case:
        """The case of a trial."""
        return self.agents[trial.dataset].cases[trial.case]

    def group(self, trial: Trial) -> GroupKey:
        """The group of a trial's case."""
        return self.group_of(trial.dataset, trial.case)

    def group_of(self, dataset: str, case: str) -> GroupKey:
        """The group of a case."""
        return dataset, self.agents[dataset].notes[case].group or case

    def parser(self, trial: Trial) -> Parser:
        """The parser for a trial's answer."""
        agent = self.agents[trial.dataset]
        return agent.parser(agent.function(trial.variant.function, trial.case), trial.variant.output)

    def check(self, trials: Iterable[Trial]) -> None:
        """Look for what formats drop of the cases of these trials, and hold their prompts against what BAML makes of them.

        Raises ``FormatError`` and ``BamlError`` with the case.
        """
        self.render.check(self.render.cells(trials, whole=self.selection.select is None))

    def prompt(self, trial: Trial) -> Prompt:
        """What a trial sends."""
        return self.render.prompt(trial.dataset, trial.case, trial.variant)

    def thread_prompt(self, trial: Trial, thread: Thread) -> Prompt:
        """What a trial sends whose agent has come so far as this thread. Raises ``FormatError``."""
        edit = self.edits.get(trial.variant.edit)
        return self.render.of_thread(trial.dataset, trial.case, trial.variant, thread, edit)

    def seed(self, trial: Trial) -> int:
        """The seed of whatever is drawn in a trial, apart from its model's answers: all variants of a repeat have the same."""
        return int(digest(f"{self.suite.seed}:{trial.dataset}:{trial.case}:{trial.repeat}")[:7], 16)

    def request(self, trial: Trial, prompt: Prompt, step: int = 1) -> Request:
        """The call that sends it, as which ``step`` of the trial. Later parameters win: the suite's, the model's; ``null`` leaves
        one out.
        """
        spec = self.models[trial.variant.model]
        drawn = f"{self.suite.seed}:{trial.dataset}:{trial.case}:{trial.repeat}" + (f"/{step}" if step > 1 else "")
        if self.suite.seeds == "independent":
            # a variant that edits nothing draws as it did before there were edits: its recordings stay good
            drawn += ":" + str(trial.variant).replace(f",{NO_EDIT},", ",", 1)
        seed = int(digest(drawn)[:7], 16)
        params = {"temperature": 0, "seed": seed, **self.suite.params, **spec.params}
        if prompt.tools:
            choice = "auto" if trial.variant.output == "tool_auto" else "required"
            several = self.agents[trial.dataset].templates[trial.variant.function].function.many
            params |= {"tool_choice": choice} | ({} if several else {"parallel_tool_calls": False})
        return Request(
            model=spec.id,
            messages=prompt.messages,
            tools=prompt.tools,
            response_format=prompt.response_format,
            params={name: value for name, value in params.items() if value is not None},
            api_base=spec.api_base,
        )


def resolve(file: SuiteFile, selection: Selection = WHOLE, *, asked: Suite | None = None) -> Plan:
    """Resolve a suite, or a part of it, against its project's files, and check all that can be without asking a model.

    Datasets and their labels are checked as a whole; what formats and prompts make of cases, for those that are asked.
    ``asked`` is the suite as an earlier run narrowed it. Raises a ``UserError`` for the first thing that is wrong.
    """
    made = lay_out(file, selection, asked=asked)
    made.check(made.trials)
    return made


def lay_out(file: SuiteFile, selection: Selection = WHOLE, *, asked: Suite | None = None) -> Plan:
    """Do as ``resolve`` does, without looking at what formats and prompts make of cases: ``Plan.check`` does."""
    asks = asked or override(file.suite, selection)
    _check_tokenizer(file, asks)
    trust.check_code(code.foreign(file, asks), file.root)  # all at once, so that it is asked once
    scorers = user.load(file, asks.scorers)
    if not asks.loops:
        grid.check_scores(file, asks)
    grid.check_outputs(file, asks)
    project = load_project(file.root / asks.baml_src)
    loaded, edits, noted = _formats(file, asks), load_edits(file, asks.edits), load_notations(file, asks.outputs)
    file, suite = replace(file, suite=_named(file, file.suite)), _named(file, asks)
    controls = _controls(file, suite)
    agents = load_agents(file, suite, project, edits, noted)
    if asks.loops:  # what environments judge is known now
        grid.check_scores(
            file, asks, {name for agent in agents.values() if agent.environment for name in agent.environment.scores}
        )
    grid.check_several(file, suite, (note for agent in agents.values() for note in agent.dataset.notes.values()))
    render = Renderings(agents, loaded)
    histories = render.histories(suite.outputs)
    variants, skipped = grid.make_variants(suite, histories)
    baselines, warning = grid.find_baselines(file, suite, variants)
    if suite == file.suite:
        grid.check_requirements(file, variants)
    _check_composing(file, suite, render, variants)
    selected = grid.select(suite, variants, {name: agent.notes for name, agent in agents.items()}, selection)
    return Plan(
        file=file,
        suite=suite,
        project=project,
        agents=agents,
        edits=edits,
        formats=loaded,
        notations=noted,
        scorers=scorers,
        variants=variants,
        baselines=baselines,
        skipped=skipped,
        warnings=(*([warning] if warning else []), *_warnings(suite, agents), *_noted(suite, agents, noted, histories)),
        trials=selected.trials,
        blocks=selected.blocks,
        partial=selected.partial,
        selection=selection,
        render=render,
        controls=controls,
    )


# ---------------------------------------------------------------------------------------------- resolving


def _formats(file: SuiteFile, suite: Suite) -> dict[str, Format]:
    """Load the formats that a suite names, by their one name."""
    loaded: dict[str, Format] = {}
    for written in suite.formats:
        try:
            format = formats.find(file.root / "formats", written)
            if format.name in loaded:
                raise ValueError(f"{written!r} is {format.name!r}, which is named already")
        except ValueError as error:
            listed = file.suite.formats
            where = file.where("formats", listed.index(written)) if written in listed else "--format"
            raise SuiteError(f"formats: {error}", where=where) from None
        loaded[format.name] = format
    return loaded


def _controls(file: SuiteFile, suite: Suite) -> dict[str, Control]:
    """Load the controls that a suite names."""
    found = {}
    for i, name in enumerate(suite.control):
        try:
            found[name] = control.load(file.root, name)
        except ValueError as error:
            raise file.at("control", i).error(error) from None
    return found


def _named(file: SuiteFile, suite: Suite) -> Suite:
    """Call the formats of a suite by their one name, wherever it names them."""

    def axes(values: dict[Any, str]) -> dict[Any, str]:
        return {axis: formats.named(folder, value) if axis == "format" else value for axis, value in values.items()}

    folder = file.root / "formats"
    changes: dict[str, object] = {
        "formats": tuple(formats.named(folder, name) for name in suite.formats),
        "baseline": axes(suite.baseline),
        "require": tuple(gate.model_copy(update={"where": axes(gate.where)}) for gate in suite.require),
    }
    return suite.model_copy(update=changes)


def _check_tokenizer(file: SuiteFile, suite: Suite) -> None:
    try:
        tokenizer.check(suite.tokenizer, file.root)
    except ModelError as error:
        raise SuiteError(str(error), where=file.where("tokenizer")) from None


def _check_composing(file: SuiteFile, suite: Suite, render: Renderings, variants: Variants) -> None:
    """Compose one case of every variant: what can't be composed (a tool's name, a slot for messages) fails here."""
    for variant in {replace(variant, model=suite.models[0].label): None for variant in variants}:
        for number, (name, agent) in enumerate(render.agents.items()):
            if name not in variants.get(variant, ()):
                continue
            for function in agent.labels[variant.function]:
                try:
                    render.compose(name, function, next(iter(agent.notes)), variant)
                except BamlError as error:
                    where = file.where("agents", number, "functions")
                    raise SuiteError(f"{variant.format} with output {variant.output}: {error}", where=where) from None


def _noted(
    suite: Suite,
    agents: Mapping[str, AgentPlan],
    noted: Mapping[Output, Notation],
    histories: Mapping[tuple[str, str, Output], History | None],
) -> Iterator[str]:
    """Say where a prompt shows, or asks for, JSON beside another notation of answers."""
    answered = [output for output, notation in noted.items() if notation.answer is not None]
    for dataset, agent in agents.items() if answered else ():
        for name, template in agent.templates.items():
            if "JSON" in own_text(template):
                yield f"{name}: its own text says JSON, beside what {', '.join(answered)} ask for; a rewrite can say it otherwise"
        for format in suite.formats:
            if any(histories[dataset, format, output] == "text" for output in answered):
                yield f"{dataset}: {format} shows the agent's earlier steps as it does, whatever {', '.join(answered)} ask for"


def _warnings(suite: Suite, agents: Mapping[str, AgentPlan]) -> Iterator[str]:
    for agent in agents.values():
        if agent.text and "tool_auto" not in suite.outputs:
            yield f"{agent.dataset.name}: text: {agent.text} says nothing, because no output is tool_auto"
        for name, template in agent.templates.items():
            tags = sorted(set(re.findall(r"</?[a-z_]+>", own_text(template))))
            if tags:
                yield f"{name}: its own text uses tags ({', '.join(tags[:3])}), which favours formats that do"
            shown = ", ".join(sorted(SHOWS_SCHEMA.intersection(suite.outputs)))
            if not template.schema and shown:
                yield f"{name}: its prompt doesn't show ctx.output_format, so output {shown} sends no schema text"
