"""The plan: a suite and its files become trials, with everything resolved and checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, Protocol

from pydantic import ValidationError

from phrasing.baml.project import Project, load_project
from phrasing.errors import BamlError, FormatError, ModelError, SuiteError, shorten
from phrasing.plan import agents as agent_plans
from phrasing.plan import few_shot as examples
from phrasing.plan import grid
from phrasing.plan.agents import AgentPlan
from phrasing.plan.grid import History, Skipped, Variants
from phrasing.prompts import edits as edit_files
from phrasing.prompts import formats
from phrasing.prompts import probe as probing
from phrasing.prompts import template as prompts
from phrasing.prompts.edits import Edit
from phrasing.prompts.formats import Format
from phrasing.prompts.template import SHOWS_SCHEMA
from phrasing.score import user as userscorers
from phrasing.score.parse import Parser
from phrasing.score.user import UserScorer
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import ModelSpec, Suite
from phrasing.tokenizers import tokenizer as tokens
from phrasing.tokenizers.tokenizer import Tokenizer
from phrasing.types import NO_EDIT, Case, Prompt, Rendering, Request, Thread, Trial, Variant, digest


class Render(Protocol):
    """Renders a case, and remembers recent renderings, which variants and repeats share."""

    def __call__(self, dataset: str, case: str, format: str, edit: str = NO_EDIT) -> Rendering:
        """Render a case of a dataset in a format, edited or as it is."""


@dataclass(frozen=True)
class Plan:
    """What a run will do. ``partial`` names the selection when only a part of the suite is asked, ``shard`` the share of it."""

    file: SuiteFile
    suite: Suite
    project: Project
    agents: Mapping[str, AgentPlan]
    edits: Mapping[str, Edit]
    formats: Mapping[str, Format]
    scorers: Mapping[str, UserScorer]
    variants: Variants
    baselines: Mapping[Variant, Variant]
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

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The suite's tokenizer."""
        return tokens.open_tokenizer(self.suite.tokenizer, self.file.root)

    def case(self, trial: Trial) -> Case:
        """The case of a trial."""
        return self.agents[trial.dataset].cases[trial.case]

    def parser(self, trial: Trial) -> Parser:
        """The parser for a trial's answer."""
        return self.agents[trial.dataset].parsers[trial.variant.function]

    def prompt(self, trial: Trial) -> Prompt:
        """What a trial sends."""
        rendering = self.render(trial.dataset, trial.case, trial.variant.format, trial.variant.edit)
        template = self.agents[trial.dataset].templates[trial.variant.function]
        shown = self.examples[trial.dataset, trial.variant.format]
        return prompts.compose(template, rendering, trial.variant.output, examples=shown)

    def request(self, trial: Trial, prompt: Prompt) -> Request:
        """The call that sends it. Later parameters win: the suite's, the model's; ``null`` leaves one out."""
        spec = self.models[trial.variant.model]
        drawn = f"{self.suite.seed}:{trial.dataset}:{trial.case}:{trial.repeat}"
        if self.suite.seeds == "independent":
            # a variant that edits nothing draws as it did before there were edits: its recordings stay good
            drawn += ":" + str(trial.variant).replace(f",{NO_EDIT},", ",", 1)
        seed = int(digest(drawn)[:7], 16)
        params = {"temperature": 0, "seed": seed, **self.suite.params, **spec.params}
        if prompt.tools:
            choice = "auto" if trial.variant.output == "tool_auto" else "required"
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
        tokens.check(suite.tokenizer, file.root)
    except ModelError as error:
        raise SuiteError(str(error), where=file.where("tokenizer")) from None
    own = userscorers.load(file, suite.scorers)
    grid.check_scores(file, suite)
    project = load_project(file.root / suite.baml_src)
    loaded, editing = _formats(file, suite), edit_files.load(file, suite.edits)
    file, suite = replace(file, suite=_named(file, file.suite)), _named(file, suite)
    agents = agent_plans.load(file, suite, project, editing)

    @lru_cache(maxsize=4096)
    def render(dataset: str, case: str, format: str, edit: str = NO_EDIT) -> Rendering:
        return agents[dataset].render(loaded[format], case, edit)

    shown = {(name, form): examples.render(loaded[form], agents[name].examples) for name in agents for form in suite.formats}
    histories = {
        (name, format): _check_format(loaded[format], agent, render, shown[name, format])
        for name, agent in agents.items()
        for format in suite.formats
    }
    variants, skipped = grid.make_variants(suite, histories)
    baselines, warning = grid.find_baselines(file, suite, variants)
    if suite == file.suite:
        grid.check_requirements(file, variants)
    _check_composing(file, suite, agents, variants, render, shown)
    listed = {name: agent.cases for name, agent in agents.items()}
    trials, partial = grid.select(suite, variants, listed, expression=select, limit=cases, shard=shard)
    return Plan(
        file=file,
        suite=suite,
        project=project,
        agents=agents,
        edits=editing,
        formats=loaded,
        scorers=own,
        variants=variants,
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


# ---------------------------------------------------------------------------------------------- formats


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
            probing.probe(format, thread)
        except FormatError as error:
            raise agent.at(case, error) from None
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
    variants: Variants,
    render: Render,
    shown: Mapping[tuple[str, str], Rendering],
) -> None:
    """Compose one case of every variant: what can't be composed (a tool's name, a slot for messages) fails here.

    Every text is held against what BAML itself makes of it: a prompt may look for a word that no probe holds.
    """
    for variant in {replace(variant, model=suite.models[0].label): None for variant in variants}:
        for name in variants.get(variant, ()):
            case = next(iter(agents[name].cases))
            try:
                template, example = agents[name].templates[variant.function], shown[name, variant.format]
                prompts.compose(template, render(name, case, variant.format, variant.edit), variant.output, examples=example)
            except BamlError as error:
                where = file.where("agents", list(agents).index(name), "functions")
                raise SuiteError(f"{variant.format} with output {variant.output}: {error}", where=where) from None
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
