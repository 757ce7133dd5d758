"""Conversations: of how many a variant gets every asked step right, and how variants compare by that.

A conversation is a group that its dataset names; it counts where at least one of its steps was asked, and it is right in a repeat
in which each of them is (score ``correct``). Each step was asked with the history as it was written, whatever the model would
have done before: so this is no figure of a conversation that a model leads.

A repeat in which a step has no answer shows nothing and is left out; so is a conversation without any other. Repeats are
averaged, then conversations, then datasets with equal weight. A conversation is one independent piece, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from statistics import fmean
from typing import TYPE_CHECKING, Any

from phrasing.scores import CONVERSATION, CORRECT
from phrasing.stats import paired
from phrasing.stats.proportions import proportion
from phrasing.suite.schema import MEASURES

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.analysis.tables import Cases, Notes, Pairs

Name = tuple[str, str]
"""The dataset of a conversation, and its group."""

Members = Mapping[Name, tuple[str, ...]]
"""The cases of each conversation that were asked, sorted."""

COLUMNS = (CONVERSATION, "right", "asked", "answers", "stratum", "cluster", *MEASURES)
"""The columns of a table of conversations.

``asked`` counts a conversation's steps, ``right`` those of them that were right (the mean over repeats), ``answers`` the repeats
in which all have an answer. The rest are those of ``tables.per_case``; what a conversation costs is the total of its steps.
"""


@dataclass(frozen=True)
class Apart:
    """How much more of the conversations that both answered a variant gets right than its baseline, from -1 to 1.

    ``low`` and ``high`` are the interval, NaN where there is none. ``left`` counts conversations that both were asked and one
    didn't answer whole. This is no test: it has no verdict, and isn't among the comparisons that are corrected.
    """

    variant: str
    baseline: str
    n: int
    left: int
    difference: float
    low: float
    high: float


def members(cases: Notes) -> Members:
    """Find the conversations of the cases that were asked."""
    found: dict[Name, list[str]] = {}
    for dataset, listed in cases.items():
        for case, note in listed.items():
            if note.group:
                found.setdefault((dataset, note.group), []).append(case)
    return {name: tuple(sorted(listed)) for name, listed in sorted(found.items())}


def several(cases: Notes) -> bool:
    """Whether more than one step of any conversation was asked. Where not, conversations say nothing that steps don't."""
    return any(len(listed) > 1 for listed in members(cases).values())


def right_steps(table: pd.DataFrame, cases: Notes) -> dict[str, dict[Name, dict[int, int]]]:
    """Count the right steps of each conversation in each repeat in which all have an answer: by variant, then so.

    ``table`` is that of trials (``tables.trials``).
    """
    asked = members(cases)
    found: dict[str, dict[Name, dict[int, list[bool]]]] = {}
    columns = (table[name].tolist() for name in ("variant", "dataset", "case", "repeat", CORRECT))
    for answered, variant, dataset, case, repeat, step in zip(table["error"].isna(), *columns, strict=True):
        note = cases.get(dataset, {}).get(case)
        if note and note.group and answered and step == step:
            found.setdefault(variant, {}).setdefault((dataset, note.group), {}).setdefault(repeat, []).append(step == 1)
    return {
        variant: {
            name: {repeat: sum(right) for repeat, right in repeats.items() if len(right) == len(asked[name])}
            for name, repeats in mine.items()
        }
        for variant, mine in found.items()
    }


def per_conversation(table: pd.DataFrame, variants: Mapping[str, Cases], cases: Notes) -> dict[str, Cases]:
    """Make the table of conversations of each variant, from that of trials and those of cases (``tables.by_variant``).

    It is indexed by dataset and group, has ``COLUMNS``, and is paired and compared like a table of cases.
    """
    import pandas as pd

    asked, right = members(cases), right_steps(table, cases)
    strata = {name: number for number, name in enumerate(sorted({dataset for dataset, _ in asked}))}
    found = {}
    for variant, mine in variants.items():
        costs = _costs(mine, asked)
        rows = [
            _row(right.get(variant, {}).get(name, {}), len(listed), strata[name[0]], cluster) | costs[name]
            for cluster, (name, listed) in enumerate(asked.items())
            if name in costs
        ]
        index = pd.MultiIndex.from_arrays(
            [[name[i] for name in asked if name in costs] for i in (0, 1)], names=["dataset", "case"]
        )
        found[variant] = pd.DataFrame(rows, columns=[*COLUMNS], index=index).astype(
            dict.fromkeys(COLUMNS, "float64") | dict.fromkeys(("asked", "answers", "stratum", "cluster"), "int64")
        )
    return found


def _row(repeats: Mapping[int, int], asked: int, stratum: int, cluster: int) -> dict[str, float]:
    return {
        CONVERSATION: fmean(right == asked for right in repeats.values()) if repeats else nan,
        "right": fmean(repeats.values()) if repeats else nan,
        "asked": asked,
        "answers": len(repeats),
        "stratum": stratum,
        "cluster": cluster,
    }


def _costs(mine: Cases, asked: Members) -> dict[Name, dict[str, float]]:
    """Total what the steps of each conversation cost that a variant was asked; NaN where that of a step isn't known."""
    costs = dict(zip(mine.index, mine[[*MEASURES]].to_numpy().tolist(), strict=True))
    found: dict[Name, dict[str, float]] = {}
    for (dataset, group), listed in asked.items():
        steps = [costs.get((dataset, case)) for case in listed]
        if any(steps):
            totals = map(sum, zip(*(step or _UNKNOWN for step in steps), strict=True))
            found[dataset, group] = dict(zip(MEASURES, totals, strict=True))
    return found


_UNKNOWN = [nan] * len(MEASURES)


def alike(table: Cases, mine: Members, theirs: Members) -> Cases:
    """Leave out the conversations of another run's table of which it asked other steps than this one."""
    return table[[mine.get(name) == theirs[name] for name in table.index]]


# ---------------------------------------------------------------------------------------------- figures


def summary(tables: Mapping[str, Cases]) -> dict[str, dict[str, float]]:
    """Say of each variant how many conversations it gets right: columns of the table of variants (``tables.summary``).

    ``conversation``, with its interval (95 %) from ``…_low`` to ``…_high``, is the share of ``…_n`` conversations that are right;
    ``conversation_steps`` the share of right steps in these.
    """
    return {variant: _summary(table) for variant, table in tables.items()}


def _summary(table: Cases) -> dict[str, float]:
    mine = table[table["answers"] > 0]
    if not len(mine):
        return NOTHING
    value, low, high = proportion(mine[CONVERSATION], mine["cluster"], mine["stratum"])
    totals = mine[["right", "asked"]].groupby("dataset").sum()
    return {
        CONVERSATION: value,
        f"{CONVERSATION}_low": low,
        f"{CONVERSATION}_high": high,
        f"{CONVERSATION}_n": len(mine),
        f"{CONVERSATION}_steps": float((totals["right"] / totals["asked"]).mean()),
    }


NOTHING: dict[str, Any] = {CONVERSATION: nan, **{f"{CONVERSATION}_{end}": nan for end in ("low", "high")}}
NOTHING |= {f"{CONVERSATION}_n": 0, f"{CONVERSATION}_steps": nan}
"""What is said of a variant that answered no conversation."""


def differences(pairs: Mapping[tuple[str, str], Pairs], confidence: float) -> Iterator[Apart]:
    """Hold variants against their baselines by conversation: (variant, baseline) to the conversations they share."""
    for (variant, baseline), found in pairs.items():
        mine, theirs, both = found.values(CONVERSATION)
        if not len(mine):
            yield Apart(variant, baseline, 0, found.left, nan, nan, nan)
        elif found.unchanged and (mine == theirs).all():
            yield Apart(variant, baseline, len(mine), found.left, 0.0, 0.0, 0.0)
        else:
            apart = paired.difference(mine, theirs, found.clusters[both], found.strata[both])
            low, high = paired.interval(apart, confidence)
            yield Apart(variant, baseline, len(mine), found.left, apart.mean.value, low, high)


def of_trials(table: pd.DataFrame, cases: Notes) -> list[float]:
    """Say of each trial whether its conversation is right in its repeat: 1 or 0, NaN where it has none or that isn't known."""
    asked, found = members(cases), right_steps(table, cases)
    columns: Iterable[tuple[str, str, str, int]] = zip(
        *(table[name].tolist() for name in ("variant", "dataset", "case", "repeat")), strict=True
    )
    values = []
    for variant, dataset, case, repeat in columns:
        note = cases.get(dataset, {}).get(case)
        name = dataset, (note.group if note else None) or ""
        right = found.get(variant, {}).get(name, {}).get(repeat)
        values.append(nan if right is None else float(right == len(asked[name])))
    return values
