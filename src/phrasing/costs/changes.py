"""What a plan's prompts cost now against what they cost in a run, or at a git revision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from phrasing.analysis.locate import find, is_run
from phrasing.analysis.run import Run
from phrasing.costs.estimate import KIND, Counts, Kind, count, counted, kind_of
from phrasing.errors import SuiteError
from phrasing.plan.resolve import Plan, resolve
from phrasing.project import revision
from phrasing.types import write_axes


@dataclass(frozen=True)
class Change:
    """What a variant's prompts cost now and in a baseline, over the ``cases`` that both have; ``why`` it can't be said, if so.

    ``before`` and ``after`` are the tokens of all these cases, framing included.
    """

    variant: str
    cases: int = 0
    before: int = 0
    after: int = 0
    why: str | None = None

    @property
    def ratio(self) -> float:
        """``after`` by ``before``."""
        return self.after / self.before


def token_changes(resolved: Plan, name: str) -> list[Change]:
    """Hold what a plan's prompts cost against a baseline: a run (its folder, ``latest``, ``recorded``), else a git revision.

    A run's counts are those in its results; a revision's prompts are counted anew, for the whole suite as it was then.
    Raises ``UserError`` if there is no such baseline, or it counts by another tokenizer.
    """
    file = resolved.file
    project = file.home or file.root
    if is_run(name):
        run = Run(find(name, file))
        tokenizer, before = run.suite.tokenizer, counted(run.results.values())
    else:
        with revision.files_at(project, name, what="run or git revision") as files:
            then = resolve(files.suite(project / file.path.absolute().relative_to(file.root.absolute())))
            tokenizer, before = then.suite.tokenizer, count(then)
    if tokenizer != resolved.suite.tokenizer:
        raise SuiteError(f"counts by {tokenizer!r}, this suite by {resolved.suite.tokenizer!r}", where=name)
    made = changes(resolved, before, name)
    if all(change.why for change in made):
        raise SuiteError(
            f"no case of any variant is in it too; {'; '.join(f'{c.variant}: {c.why}' for c in made[:3])}", where=name
        )
    return made


def changes(resolved: Plan, baseline: Counts, name: str) -> list[Change]:
    """Hold every variant of a plan against the baseline of that name; then list what only the baseline has."""
    now = count(resolved)
    made = []
    for variant in resolved.variants:
        kind = kind_of(variant)
        mine, before = now.get(kind, {}), baseline.get(kind)
        both = [case for case in mine if case in (before or {})]
        if before is None:
            made.append(Change(str(variant), why=f"only here: {_lacks(kind, baseline)} in {name}"))
        elif not both:
            made.append(Change(str(variant), why=f"no case of it is in {name} too"))
        else:
            then, here = (sum(side[case] for case in both) for side in (before, mine))
            made.append(Change(str(variant), len(both), then, here))
    gone = [kind for kind in baseline if kind not in set(map(kind_of, resolved.variants))]
    return [*made, *(Change(write_axes(kind), why=f"only in {name}: {_lacks(kind, now)} here") for kind in gone)]


def _lacks(kind: Kind, others: Iterable[Kind]) -> str:
    """Say which part of a kind isn't among the others."""
    listed = list(others)
    for i, axis in enumerate(KIND):
        if kind[i] not in {other[i] for other in listed}:
            return f"no {axis} {kind[i]}"
    return "no such combination"
