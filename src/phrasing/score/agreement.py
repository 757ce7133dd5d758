"""Whether two readers agree: a dataset's labels against those of a second reader, who saw neither them nor the tags.

Second labels stand in ``datasets/second/<dataset>.jsonl``, one ``SecondLabel`` a line. A case may accept several steps: it is
agreed on if the second reader's step fits one of those in ``expect``, with no other argument where both name one. ``also`` is for
whoever mends the labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import JsonValue

from phrasing.errors import DatasetError, unknown
from phrasing.score.matchers import match_args
from phrasing.stats.bootstrap import bootstrap
from phrasing.suite import dataset
from phrasing.suite.dataset import Dataset
from phrasing.types import Case, SecondLabel

Array = NDArray[np.float64]
Second = Mapping[str, SecondLabel]
"""Second labels by case."""


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of ``n`` cases with its 95 % interval; NaN where it is undefined, or where there is one group only."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How two readers agree on the ``n`` cases that both labelled: on all, and on those with one acceptable step only.

    ``apart`` are the cases they don't agree on.
    """

    n: int
    kappa: Kappa
    single: Kappa
    apart: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share of cases agreed on."""
        return 1 - len(self.apart) / self.n


def second_labels(first: Dataset, steps: Collection[str]) -> dict[str, SecondLabel]:
    """Read a dataset's second labels; none where it has no such file. ``steps`` are those that a label may name.

    The first mistake raises ``DatasetError`` with file and line.
    """
    path = first.path.parent / "second" / first.path.name
    if not path.exists():
        return {}
    found, lines = dataset.read(path, SecondLabel)
    for label in found:
        where = f"{path.as_posix()}:{lines[label.id]}"
        if label.id not in first.lines:
            raise DatasetError(f"id: {unknown('case', label.id, first.lines).partition('; there are')[0]}", where=where)
        for intent in (label.intent, *label.also):
            if intent not in steps:
                raise DatasetError(unknown("intent", intent, steps), where=where)
    return {label.id: label for label in found}


def agrees(case: Case, label: SecondLabel) -> bool:
    """Whether the second reader's step is one that the case accepts, with no other argument where both name one.

    The same holds for the keys of an object in an argument, where the case compares them one by one.
    """
    return any(
        match.intent == label.intent and match_args(_shared(match.args, label.args), label.args) is None for match in case.labels
    )


def _shared(first: Mapping[str, JsonValue], second: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Take from the first reader's arguments those that the second names too, and from objects in them the same."""
    shared: dict[str, JsonValue] = {}
    for name in first.keys() & second.keys():
        mine, theirs = first[name], second[name]
        if isinstance(mine, dict) and isinstance(theirs, dict) and not any(key.startswith("$") for key in mine):
            mine = _shared(mine, theirs)
        shared[name] = mine
    return shared


def ungrounded(cases: Iterable[Case], second: Second) -> list[str]:
    """Name the cases that call themselves ``gold`` without a second label that agrees."""
    gold = (case for case in cases if case.strength == "gold")
    return [case.id for case in gold if case.id not in second or not agrees(case, second[case.id])]


def agreement(cases: Iterable[Case], second: Second) -> Agreement:
    """Compare the labels of the cases that have a second one. Raises ``ValueError`` if none has."""
    both = [case for case in cases if case.id in second]
    if not both:
        raise ValueError("no case has a second label")
    return Agreement(
        n=len(both),
        kappa=_kappa(both, second),
        single=_kappa([case for case in both if len(case.note.expect) == 1], second),
        apart=tuple(case.id for case in both if not agrees(case, second[case.id])),
    )


def kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Return Cohen's kappa of two readers' categories: agreement beyond what their own frequencies would give by chance.

    1 is full agreement, 0 what chance gives. NaN without cases, or where both readers know one category only.

    Source: J. Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20(1),
    37-46.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(_of_totals(_counts(first, second).sum(axis=0))[0])


def _kappa(cases: Sequence[Case], second: Second) -> Kappa:
    """Compute kappa with the interval of the cluster bootstrap (``resampling``), drawing groups.

    The first reader's category is the second's step where the case accepts it, else the first step of ``expect``. Where cases
    accept several steps that leans to the good side.
    """
    theirs = [second[case.id].intent for case in cases]
    mine = [step if agrees(case, second[case.id]) else case.labels[0].intent for case, step in zip(cases, theirs, strict=True)]
    if not cases:
        return Kappa(0, float("nan"), float("nan"), float("nan"))
    numbers = np.unique([case.cluster for case in cases], return_inverse=True)[1]
    counts = _counts(mine, theirs)
    totals = np.zeros((numbers.max() + 1, counts.shape[1]))
    np.add.at(totals, numbers, counts)
    low, high = bootstrap(totals, _of_totals)
    return Kappa(len(cases), kappa(mine, theirs), float(low[0]), float(high[0]))


def _counts(first: Sequence[str], second: Sequence[str]) -> Array:
    """Make a row a case: whether both are the same, which category the first is, which the second. Kappa is made of sums."""
    names = sorted({*first, *second})
    columns = [[one == other for one, other in zip(first, second, strict=True)]]
    columns += [[one == name for one in reader] for reader in (first, second) for name in names]
    return np.array(columns, dtype=np.float64).T


def _of_totals(totals: ArrayLike) -> Array:
    """Map sums of ``_counts`` (... x columns) to kappa (... x 1)."""
    x = np.asarray(totals, dtype=np.float64)
    first, second = np.split(x[..., 1:], 2, axis=-1)
    n = first.sum(axis=-1)
    seen, chance = x[..., 0] / n, (first * second).sum(axis=-1) / n**2
    return np.asarray((seen - chance) / (1 - chance))[..., None]
