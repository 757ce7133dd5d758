"""Find the prompt of a case: the suite that holds it, and what a trial of it would send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, get_args

from phrasing.errors import SuiteError, unknown
from phrasing.plan.resolve import Plan, lay_out
from phrasing.plan.selection import Selection
from phrasing.prompts.formats import named
from phrasing.suite import outputs
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Agent, Suite
from phrasing.types import Mode, Prompt, Trial

Cell = tuple[str, str, str, str | None]
"""Output, format, edit and function; ``None``: the suite's first for the dataset."""


class Shown(NamedTuple):
    """What a prompt is composed in: a format, a context edit and a function as suites name it; ``None``: the suite's first."""

    format: str
    edit: str
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What prompts are looked for: those of a case, one for each of ``shown``.

    ``dataset`` may be empty: any that holds the case. ``output`` left out: the first that fits.
    """

    dataset: str
    case: str
    shown: Sequence[Shown]
    output: str | None = None

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions that are named, each once."""
        return tuple(dict.fromkeys(one.function for one in self.shown if one.function is not None))

    def outputs(self) -> tuple[str, ...]:
        """Give the outputs to try, in order. Raises ``SuiteError`` for one that isn't there."""
        if self.output is None:
            # tool_auto sends what tool does but for one word, and not every agent has a step that text can stand for
            return tuple(name for name in get_args(Mode) if name != "tool_auto")
        try:
            return (outputs.check(self.output),)
        except ValueError as error:
            raise SuiteError(str(error), where="--output") from None

    def fits(self, dataset: str) -> bool:
        """Whether the case may be one of this dataset."""
        return self.dataset in ("", dataset)


@dataclass
class _Searched:
    """What was looked through without finding the case."""

    paths: list[Path] = field(default_factory=list)
    cases: list[tuple[str, str]] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    set_aside: Path | None = None


def find_prompts(files: Iterable[SuiteFile], wanted: Wanted) -> list[Prompt]:
    """Compose a case in all that is to be shown, under the first suite that holds it and the first output that fits.

    Raises ``SuiteError`` where no suite holds it, with what there is.
    """
    outputs = wanted.outputs()
    searched = _Searched()
    for file in files:
        narrowed = Selection(formats=[one.format for one in wanted.shown], edits=[one.edit for one in wanted.shown])
        resolved = lay_out(_widened(file, outputs, wanted), narrowed)
        known = {name for agent in resolved.agents.values() for name in agent.labels}
        lacking = next((function for function in wanted.functions if function not in known), None)
        if lacking is not None:
            searched.functions |= known.union(*(agent.functions for agent in file.suite.agents))
        elif found := _trials(resolved, wanted):
            shown = [one._replace(format=named(file.root / "formats", one.format)) for one in wanted.shown]
            chosen = _fitting(resolved, found, shown, outputs)
            resolved.check(chosen)
            return [resolved.prompt(trial) for trial in chosen]
        searched.paths.append(file.path)
        searched.cases += [(name, case) for name, agent in resolved.agents.items() for case in agent.notes]
        if searched.set_aside is None and any(_set_aside(resolved, wanted)):
            searched.set_aside = file.path
    raise _not_found(searched, wanted)


def _widened(file: SuiteFile, outputs: Sequence[str], wanted: Wanted) -> SuiteFile:
    """Give the suite with all cases of its datasets and these outputs, each asked once, and nothing to compare.

    Functions that it names are asked with the rewrites and the numbers of added tools that are wanted, too.
    """
    whole = tuple(
        agent.model_copy(
            update={
                "sample": None,
                "tags": (),
                "functions": _with_changes(agent, wanted),
                "distractors": agent.distractors and agent.distractors.model_copy(update={"counts": ()}),
            }
        )
        for agent in file.suite.agents
    )
    changes: dict[str, object] = {"agents": whole, "outputs": outputs, "baseline": {}, "require": (), "repeats": 1}
    return replace(file, suite=Suite.model_validate({**dict(file.suite), **changes}))


def _with_changes(agent: Agent, wanted: Wanted) -> dict[str, tuple[str, ...]]:
    """Give an agent's functions as the suite asks them; where others are wanted, each by its name, those with changes too."""
    if agent.asked.keys() >= set(wanted.functions):
        return agent.asked
    bare = {name.partition("(")[0] for name in agent.names}
    return {name: (name,) for name in (*agent.names, *(name for name in wanted.functions if name.partition("(")[0] in bare))}


def _trials(resolved: Plan, wanted: Wanted) -> dict[Cell, Trial]:
    """Find the trials of the case: by function, and the first function's, in each cell."""
    found: dict[Cell, Trial] = {}
    for trial in resolved.trials:
        if trial.case == wanted.case and wanted.fits(trial.dataset):
            for function in (trial.variant.function, None):
                found.setdefault((trial.variant.output, trial.variant.format, trial.variant.edit, function), trial)
    return found if any(function in {key[3] for key in found} for function in wanted.functions or (None,)) else {}


def _fitting(resolved: Plan, found: Mapping[Cell, Trial], shown: Sequence[Shown], outputs: Sequence[str]) -> list[Trial]:
    """Choose a trial for each that is shown: all with one output, so that nothing else differs; else the first of each."""
    common = [name for name in outputs if all((name, *one) in found for one in shown)]
    chosen = [next((found[o, *one] for o in common[:1] or outputs if (o, *one) in found), None) for one in shown]
    lost = {one.format for one, trial in zip(shown, chosen, strict=True) if trial is None}
    reasons = "; ".join(str(skipped) for skipped in resolved.skipped if skipped.format in lost)
    if reasons:
        raise SuiteError(reasons)
    if None in chosen:
        raise SuiteError(f"--function: {shown[chosen.index(None)].function!r} isn't asked about this case")
    return [trial for trial in chosen if trial]


def _set_aside(resolved: Plan, wanted: Wanted) -> Iterator[bool]:
    """Say of each dataset whether it holds the case, but as an example or of an example's group."""
    for name, agent in resolved.agents.items():
        yield wanted.fits(name) and wanted.case in agent.dataset.lines and wanted.case not in agent.notes


def _not_found(searched: _Searched, wanted: Wanted) -> SuiteError:
    for function in wanted.functions if searched.functions else ():
        if function not in searched.functions:
            raise SuiteError(f"--function: {unknown('function', function, searched.functions)}")
    if searched.set_aside:
        message = f"{wanted.case!r} is an example, or of an example's group, so no model is asked it"
        return SuiteError(message, where=str(searched.set_aside))
    name = f"{wanted.dataset}::{wanted.case}" if wanted.dataset else wanted.case
    choices = {f"{dataset}::{case}" if wanted.dataset else case for dataset, case in searched.cases}
    near = unknown("case", name, choices).partition("; there are")[0]
    suites = ", ".join(map(str, searched.paths)) or "no suite"
    return SuiteError(f"{near}; there are {len(choices)}, in the datasets of {suites}")
