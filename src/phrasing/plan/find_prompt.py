"""Find the prompt of a case: the suite that holds it, and what a trial of it would send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from phrasing.errors import SuiteError, unknown
from phrasing.plan.resolve import Plan, lay_out
from phrasing.plan.selection import Selection
from phrasing.prompts.formats import named
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Suite
from phrasing.types import Output, Prompt, Trial

Cell = tuple[str, str, str]
"""Output, format and edit."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What prompts are looked for: those of a case, one for each format and edit in ``shown``.

    ``dataset`` may be empty: any that holds the case. ``function`` and ``output`` left out: the first that fits.
    """

    dataset: str
    case: str
    shown: Sequence[tuple[str, str]]
    function: str | None = None
    output: str | None = None

    def outputs(self) -> tuple[str, ...]:
        """Give the outputs to try, in order. Raises ``SuiteError`` for one that isn't there."""
        known = get_args(Output)
        if self.output is None:
            # tool_auto sends what tool does but for one word, and not every agent has a step that text can stand for
            return tuple(name for name in known if name != "tool_auto")
        if self.output not in known:
            raise SuiteError(unknown("output", self.output, known), where="--output")
        return (self.output,)

    def fits(self, dataset: str) -> bool:
        """Whether the case may be one of this dataset."""
        return self.dataset in ("", dataset)


@dataclass
class _Searched:
    """What was looked through without finding the case."""

    paths: list[Path] = field(default_factory=list)
    cases: list[tuple[str, str]] = field(default_factory=list)
    set_aside: Path | None = None


def find_prompts(files: Iterable[SuiteFile], wanted: Wanted) -> list[Prompt]:
    """Compose a case in each format and edit, under the first suite that holds it and the first output that fits.

    Raises ``SuiteError`` where no suite holds it, with what there is.
    """
    outputs = wanted.outputs()
    searched = _Searched()
    for file in files:
        formats, edits = ([pair[i] for pair in wanted.shown] for i in (0, 1))
        resolved = lay_out(_widened(file, outputs), Selection(formats=formats, edits=edits))
        if found := _trials(resolved, wanted):
            pairs = [(named(file.root / "formats", format), edit) for format, edit in wanted.shown]
            chosen = _fitting(resolved, found, pairs, outputs)
            resolved.check(chosen)
            return [resolved.prompt(trial) for trial in chosen]
        known = {name for agent in resolved.agents.values() for name in agent.templates}
        if wanted.function and wanted.function not in known:
            raise SuiteError(f"--function: {unknown('function', wanted.function, known)}", where=str(file.path))
        searched.paths.append(file.path)
        searched.cases += [(name, case) for name, agent in resolved.agents.items() for case in agent.cases]
        if searched.set_aside is None and any(_set_aside(resolved, wanted)):
            searched.set_aside = file.path
    raise _not_found(searched, wanted)


def _widened(file: SuiteFile, outputs: Sequence[str]) -> SuiteFile:
    """Give the suite with all cases of its datasets and these outputs, each asked once, and nothing to compare."""
    whole = tuple(agent.model_copy(update={"sample": None, "tags": ()}) for agent in file.suite.agents)
    changes: dict[str, object] = {"agents": whole, "outputs": outputs, "baseline": {}, "require": (), "repeats": 1}
    return replace(file, suite=Suite.model_validate({**dict(file.suite), **changes}))


def _trials(resolved: Plan, wanted: Wanted) -> dict[Cell, Trial]:
    """Find the trials of the case: the first function's in each cell."""
    found: dict[Cell, Trial] = {}
    for trial in resolved.trials:
        if trial.case == wanted.case and wanted.fits(trial.dataset) and wanted.function in (None, trial.variant.function):
            found.setdefault((trial.variant.output, trial.variant.format, trial.variant.edit), trial)
    return found


def _fitting(
    resolved: Plan, found: Mapping[Cell, Trial], pairs: Sequence[tuple[str, str]], outputs: Sequence[str]
) -> list[Trial]:
    """Choose a trial for each format and edit: all with one output, so that nothing else differs; else the first of each."""
    common = [name for name in outputs if all((name, *pair) in found for pair in pairs)]
    chosen = [next((found[o, *pair] for o in common[:1] or outputs if (o, *pair) in found), None) for pair in pairs]
    lost = {format for (format, _), trial in zip(pairs, chosen, strict=True) if trial is None}
    reasons = "; ".join(str(skipped) for skipped in resolved.skipped if skipped.format in lost)
    if reasons:
        raise SuiteError(reasons)
    return [trial for trial in chosen if trial]


def _set_aside(resolved: Plan, wanted: Wanted) -> Iterator[bool]:
    """Say of each dataset whether it holds the case, but as an example or of an example's group."""
    for name, agent in resolved.agents.items():
        yield wanted.fits(name) and wanted.case in agent.dataset.lines and wanted.case not in agent.cases


def _not_found(searched: _Searched, wanted: Wanted) -> SuiteError:
    if searched.set_aside:
        message = f"{wanted.case!r} is an example, or of an example's group, so no model is asked it"
        return SuiteError(message, where=str(searched.set_aside))
    name = f"{wanted.dataset}::{wanted.case}" if wanted.dataset else wanted.case
    choices = {f"{dataset}::{case}" if wanted.dataset else case for dataset, case in searched.cases}
    near = unknown("case", name, choices).partition("; there are")[0]
    suites = ", ".join(map(str, searched.paths)) or "no suite"
    return SuiteError(f"{near}; there are {len(choices)}, in the datasets of {suites}")
