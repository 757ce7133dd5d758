"""Whether single steps predict runs of agents: the same changes, measured by either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from phrasing.analysis.compare import Contrast
from phrasing.analysis.verdict import Verdict
from phrasing.errors import StoreError
from phrasing.scores import public
from phrasing.stats.correlation import Correlation, spearman
from phrasing.types import Variant

if TYPE_CHECKING:
    from phrasing.analysis.run import Run

Sign = Literal["same", "opposite", "none"]


@dataclass(frozen=True)
class Change:
    """A change of a variant of runs against its baseline: by ``runs``, and by single ``steps``."""

    variant: str
    runs: Contrast
    steps: Contrast

    @property
    def sign(self) -> Sign:
        """Whether both go the same way; ``none`` where either shows no difference at all."""
        product = self.runs.difference * self.steps.difference
        return "same" if product > 0 else "opposite" if product < 0 else "none"

    @property
    def decided(self) -> bool:
        """Whether both are better or worse than their baselines, beyond doubt."""
        return all(one.verdict in (Verdict.BETTER, Verdict.WORSE) for one in (self.runs, self.steps))


@dataclass(frozen=True)
class StepsAndRuns:
    """The changes that both were measured by, and how the scores of variants go together, where there are enough."""

    changes: tuple[Change, ...]
    variants: int
    correlation: Correlation | None

    def signs(self, sign: Sign, *, decided: bool = False) -> int:
        """Count the changes with this sign; ``decided``: only those that both decide."""
        return sum(change.sign == sign and (change.decided or not decided) for change in self.changes)


def compare(runs: Run, steps: Run) -> StepsAndRuns:
    """Hold what single steps say of changes against what runs of agents say of the same ones.

    A variant of one is that of the other with the same axes but for the control, which single steps don't have: a change of
    control alone is left out. Differences are those of each run's own deciding score. Raises ``StoreError`` where there is no
    common change.
    """
    single = {(one.variant, one.baseline): one for one in steps.comparison().contrasts if one.found}
    changes = tuple(_changes(runs, single))
    if not changes:
        there = "; ".join(f"{variant} against {baseline}" for variant, baseline in [*single][:3]) or "none"
        raise StoreError(
            f"no change of {runs.folder} was measured by single steps too; there are: {there}", where=str(steps.folder)
        )
    scores = _scores(steps)
    both = [(mine, scores[name]) for variant, mine in _scores(runs).items() if (name := _single(variant)) in scores]
    ranks = spearman([mine for mine, _ in both], [theirs for _, theirs in both])
    return StepsAndRuns(changes, len(both), ranks)


def _changes(runs: Run, single: dict[tuple[str, str], Contrast]) -> Iterator[Change]:
    for one in runs.comparison().contrasts:
        pair = _single(one.variant), _single(one.baseline)
        if one.found and pair in single:
            yield Change(one.variant, one, single[pair])


def _single(variant: str) -> str:
    """Name the variant of single steps that a variant of runs is."""
    return str(replace(Variant.parse(variant), control=""))


def _scores(run: Run) -> dict[str, float]:
    """Give each variant's mean of the score that decides, where it has one."""
    means = run.summary()[public(run.suite.compare.score)].dropna()
    return {str(variant): float(mean) for variant, mean in means.items()}
