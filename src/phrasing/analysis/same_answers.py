"""How far two runs hold the same answers, trial by trial: what becomes of it when the same is asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phrasing.analysis.trial_columns import ASKED, SAID

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ["variant", "dataset", "case", "repeat"]


@dataclass(frozen=True)
class SameAnswers:
    """Of the ``both`` trials that two runs answered: how many were ``asked_otherwise``, had the ``same`` answer, or another one
    that was ``scored_same``, by every score. Each trial counts once.
    """

    both: int
    asked_otherwise: int
    same: int
    scored_same: int

    @property
    def differ(self) -> int:
        """How many were asked the same, and have another answer with another score."""
        return self.both - self.asked_otherwise - self.same - self.scored_same


def count(mine: pd.DataFrame, theirs: pd.DataFrame, named: Mapping[str, str], scores: Sequence[str]) -> SameAnswers:
    """Count in two tables of trials. ``named`` says what this run's variants are called in the other; ``scores`` are columns."""
    columns = [*_KEYS, ASKED, SAID, *scores]
    mine, theirs = (table.loc[table[SAID].notna(), columns] for table in (mine, theirs))
    mine = mine[mine["variant"].isin(named)].assign(variant=lambda table: table["variant"].map(named))
    both = mine.merge(theirs, on=_KEYS, suffixes=("", " there"))
    again = both[ASKED] == both[f"{ASKED} there"]
    same = again & (both[SAID] == both[f"{SAID} there"])
    here, there = (both[[f"{name}{end}" for name in scores]].to_numpy(dtype=float) for end in ("", " there"))
    alike = ((here == there) | ((here != here) & (there != there))).all(axis=1)  # missing in both is alike
    return SameAnswers(len(both), int((~again).sum()), int(same.sum()), int((again & ~same & alike).sum()))
