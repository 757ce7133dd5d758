"""Results to tables: one row a trial, one row a variant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phrasing.analysis.trial_columns import ASKED, ENDED, FAILED, MESSAGE, NUMBERS, OUTCOMES, SAID, TrialColumns
from phrasing.errors import StoreError
from phrasing.records import Result
from phrasing.runs.early_stop import Looked
from phrasing.score.no_model import RULES, NoModel
from phrasing.scores import CORRECT, FORBIDDEN, STORED, SUCCESS
from phrasing.stats.anytime import Progress
from phrasing.stats.means import disagreement, pass_hat
from phrasing.stats.proportions import one_sided, proportion
from phrasing.suite.schema import MEASURES
from phrasing.types import CaseNote, Variant, read_axes

Notes = Mapping[str, Mapping[str, CaseNote]]
"""What is known of cases, by dataset and id."""

ATTACK = "attack-"
"""What tags begin with that say how a case attacks."""

_COUNTED = ["variant", "dataset", "case", "error", "chosen", "stage", "marks", "latency", "cost"]
"""The columns of trials that a variant's summary counts; to part the others too, texts of answers among them, takes longer."""

Cases = pd.DataFrame
"""A table that ``per_case`` made, or the rows of one variant, indexed by dataset and case."""


def trials(results: Iterable[Result], cases: Notes, *, scorers: Sequence[str] = ()) -> pd.DataFrame:
    """Make the table of trials, sorted by address. ``docs/concepts.md`` describes the columns; those of texts that grow with an
    answer (``dataframes.TEXTS``) aren't here.

    ``scorers`` names the user's own scores, which have columns beside the built-in ones. There is a column ``strength`` where any
    label is logged, and ``logprob``, the sum over an answer's tokens, where any provider gave them.

    Scores are from 0 to 1 and missing where one doesn't apply; ``latency`` is in seconds, ``cost`` in US dollars, ``at`` in UTC
    (empty where a replay found no answer).
    Raises ``StoreError`` if there is no result at all.
    """
    columns = TrialColumns(scorers)
    for result in results:
        columns.add(result)
    return complete(of_columns(columns, range(len(columns)), cases), cases)


def of_columns(columns: TrialColumns, numbers: Iterable[int], cases: Notes) -> pd.DataFrame:
    """Make the table of the trials with these numbers, sorted by address; it may have no row, and always has all columns."""
    trials = columns.texts("trial")
    found = columns.rows(sorted(numbers, key=trials.__getitem__))
    noted = [cases.get(dataset, _NO_NOTES).get(case) for dataset, case in zip(found["dataset"], found["case"], strict=True)]
    found["cluster"] = [(note and note.group) or case for note, case in zip(noted, found["case"], strict=True)]
    found["strength"] = [note.strength if note else None for note in noted]
    return pd.DataFrame({name: found[name] for name in _ordered(found)})


_NO_NOTES: Mapping[str, CaseNote] = {}

_FIRST = (
    *("trial", "dataset", "case", "function", "edit", "format", "output", "model", "repeat", "variant"),
    *("cluster", "strength", "error"),
)
_AFTER_SCORES = (
    *("chosen", "form", "stage", "marks", *NUMBERS, "finish_reason", "emulated", "unread", "at"),
    *(MESSAGE, FAILED, ASKED, SAID),
)


def _ordered(names: Iterable[str]) -> list[str]:
    """Order columns: what was asked, scores, what came of it."""
    return [*_FIRST, *(name for name in names if name not in (*_FIRST, *_AFTER_SCORES)), *_AFTER_SCORES]


def complete(table: pd.DataFrame, cases: Notes) -> pd.DataFrame:
    """Give the table as ``trials`` does: with a column ``strength`` only where any of these cases' labels is logged.

    Raises ``StoreError`` where it has no row.
    """
    if not len(table):
        raise StoreError("the run holds no result yet")
    empty = ["logprob"] if table["logprob"].isna().all() else []
    if all(note.strength != "logged" for listed in cases.values() for note in listed.values()):
        empty.append("strength")
    return table.drop(columns=empty)


def per_case(table: pd.DataFrame, *, scorers: Sequence[str] = ()) -> Cases:
    """Make the table of cases from the table of trials: one row for each variant and case, indexed by variant, dataset and case.

    Scores and costs are means over the repeats that have an answer, missing where none applies; ``answers`` says how many have
    one. Our own count of tokens needs no answer. ``stratum`` and ``cluster`` number the datasets and what statistics cluster on,
    in the order of cases: what a group is called doesn't matter.
    """
    means = [*STORED, *scorers, *MEASURES, *(name for name in OUTCOMES if name in table)]
    variants, datasets, cases, groups = (table[name].tolist() for name in ("variant", "dataset", "case", "cluster"))
    asked = list(zip(variants, datasets, cases, strict=True))
    strata = {name: number for number, name in enumerate(sorted({*datasets}))}
    clusters: dict[tuple[str, str], int] = {}
    numbered = {
        key: (strata[key[1]], clusters.setdefault((key[1], group), len(clusters)))
        for key, group in zip(asked, groups, strict=True)
    }
    keys = sorted(numbered)
    places = {key: place for place, key in enumerate(keys)}
    rows = np.array([places[key] for key in asked])  # grouping by three columns of text takes longer than all else
    answered = table["error"].isna().to_numpy()
    numbers = table[means].to_numpy(dtype=np.float64, copy=True)
    numbers[~answered] = np.nan
    numbers[:, means.index("tokens")] = table["tokens"].where(table["tokens_spread"] == 0)  # a range is no number to compare
    found = pd.DataFrame(numbers, columns=means).groupby(rows).mean()
    found.index = pd.MultiIndex.from_tuples(keys, names=["variant", "dataset", "case"])
    found["answers"] = np.bincount(rows[answered], minlength=len(keys))
    found["stratum"], found["cluster"] = zip(*(numbered[key] for key in keys), strict=True)
    return found


@dataclass(frozen=True)
class Pairs:
    """Two variants on the cases that both were asked, sorted by dataset and case; the frames have the columns of ``per_case``.

    ``left`` counts cases that were asked of both and have no answer in one of them; ``apart`` those that only one was asked.
    ``unchanged`` says that both are the same answers to the same requests; ``progress``, where how many cases there are was
    decided by looking at them, how far that has come.
    """

    mine: Cases
    baseline: Cases
    left: int
    apart: int
    unchanged: bool = False
    progress: Progress | None = None

    @cached_property
    def clusters(self) -> NDArray[np.intp]:
        """The number of each case's cluster."""
        return self.mine["cluster"].to_numpy()

    @cached_property
    def strata(self) -> NDArray[np.intp]:
        """The number of each case's dataset."""
        return self.mine["stratum"].to_numpy()

    def differences(self, column: str) -> pd.Series[float]:
        """Give what the variant has more than its baseline, by case, where both have a value."""
        return (self.mine[column] - self.baseline[column]).dropna()

    def values(self, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Give a column of both variants where both have a value, and which cases these are."""
        mine, theirs = self.mine[column].to_numpy(), self.baseline[column].to_numpy()
        both = ~(np.isnan(mine) | np.isnan(theirs))
        return mine[both], theirs[both], both

    def progress_of(self, both: NDArray[np.bool_]) -> Progress | None:
        """Give the progress of the cases that have a value."""
        return self.progress.only(both) if self.progress else None


def by_variant(cases: Cases) -> dict[str, Cases]:
    """Split the table of cases by variant."""
    return {str(variant): rows.droplevel("variant") for variant, rows in cases.groupby(level="variant", sort=False)}


def pair(mine: Cases, baseline: Cases, *, unchanged: bool = False, looked: Sequence[Looked] = ()) -> Pairs:
    """Pair two variants case by case; where a run stops early, only cases that were ``looked`` at."""
    for look in looked:
        mine, baseline = (rows.loc[[key for key in rows.index if key in look.places]] for rows in (mine, baseline))
    common = mine.index.intersection(baseline.index).sort_values()
    answered = (mine.loc[common, "answers"] > 0) & (baseline.loc[common, "answers"] > 0)
    apart = len(mine.index.union(baseline.index)) - len(common)
    left = len(common) - int(answered.sum())
    progress = looked[0].progress(common) if looked else None
    return Pairs(mine.loc[common], baseline.loc[common], left, apart, unchanged, progress)


def summary(
    table: pd.DataFrame,
    cases: Mapping[str, Cases],
    *,
    variants: Iterable[str],
    baselines: Mapping[str, str],
    no_model: Mapping[tuple[str, str], NoModel],
    chances: Mapping[tuple[str, str], Mapping[str, float]],
    scorers: Sequence[str] = (),
) -> pd.DataFrame:
    """Make the table of variants from those of trials and of cases (``by_variant``): one row a variant, indexed by its text.

    Rows come in the order of ``variants``.

    ``n`` counts cases with an answer, ``trials`` all trials, ``errors`` those without (in no mean). Repeats are averaged first,
    then cases; over several datasets the mean is that of the datasets' means. ``intent_low`` to ``intent_high`` and ``step_low``
    to ``step_high`` are 95 % intervals (``stats.proportion``). ``harm_k`` of ``harm_n`` cases saw a harmful step in any repeat;
    ``harm_high`` is the one-sided 95 % upper bound. ``prompt_tokens`` and ``answer_tokens`` are the provider's, ``tokens`` our
    own count of the prompt, the mean of a case; ``prompt_ratio`` divides the totals of the cases that both the variant and its
    baseline answered. ``seconds`` is the median latency. ``disagreement`` is how often two repeats of a case chose another step,
    ``all_right`` how often all of a case's repeats are right (both missing where nothing was repeated). ``scorers`` names the
    user's own scores, whose means are columns of these names. ``random``, ``majority``, ``bigram`` and ``words`` are the
    intent of rules that ask no model: ``no_model`` gives them by dataset and function. ``gain_over_chance``, from ``…_low`` to
    ``…_high``, is how far ``intent`` lies on the way from that of a random step to 1; ``chances`` gives a random step's by
    dataset and function, then by case.
    """
    rows = []
    right = SUCCESS if SUCCESS in scorers and ENDED in table else CORRECT
    table = table[[*_COUNTED, right]]
    for variant in variants:
        if variant not in cases:
            continue
        mine, all_mine = cases[variant][cases[variant]["answers"] > 0], table[table["variant"] == variant]
        answered = all_mine[all_mine["error"].isna()]
        counted = [name for name in OUTCOMES if name in mine]
        means = _means(mine[[*STORED, *scorers, *MEASURES, *counted]])
        intervals, function = _intervals(mine, right), Variant.parse(variant).function
        harm = mine[FORBIDDEN].dropna()
        k = int((harm > 0).sum())
        rows.append(
            {
                "variant": variant,
                **read_axes(variant),
                "n": len(mine),
                "trials": len(all_mine),
                "errors": int(all_mine["error"].notna().sum()),
                **{name: means[name] for name in (*STORED, *scorers, *counted) if name != FORBIDDEN},
                **intervals,
                **_no_model(cases[variant], function, no_model),
                **_gain(means["intent"], intervals, _chance(mine, function, chances)),
                "harm_k": k,
                "harm_n": len(harm),
                "harm_high": one_sided(harm > 0, mine.loc[harm.index, "cluster"])[1] if len(harm) else float("nan"),
                "tokens": means["tokens"],
                "prompt_tokens": means["prompt_tokens"],
                "prompt_ratio": _ratio(mine, cases.get(baselines.get(variant, "")), "prompt_tokens"),
                "answer_tokens": means["answer_tokens"],
                "seconds": answered["latency"].median(),
                "cost": answered["cost"].sum(min_count=1),
                "truncated": (answered["stage"] == "truncated").mean(),
                "text_calls": answered["marks"].str.contains("text_call").mean(),
                "text_steps": answered["marks"].str.contains("text_step").mean(),
                "several_steps": answered["marks"].str.contains("several_").mean(),  # once several_calls
                "json_answers": answered["marks"].str.contains("json_answer").mean(),
                "extra_arguments": answered["marks"].str.contains("extra_arguments").mean(),
                **_repeats(answered, right),
            }
        )
    return pd.DataFrame(rows).set_index("variant")


def _intervals(mine: pd.DataFrame, right: str) -> dict[str, float]:
    found: dict[str, float] = {}
    clusters, strata = mine["cluster"].to_numpy(), mine["stratum"].to_numpy()
    for name in dict.fromkeys(("intent", CORRECT, right)):
        low, high = float("nan"), float("nan")
        values = mine[name].to_numpy()
        known = ~np.isnan(values)
        if known.any():
            _, low, high = proportion(values[known], clusters[known], strata[known])
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _no_model(mine: Cases, function: str, known: Mapping[tuple[str, str], NoModel]) -> dict[str, float]:
    if not known:  # no step is labelled
        return dict.fromkeys(RULES, math.nan)
    found = [known[dataset, function].shares for dataset in mine.index.unique("dataset")]
    return {name: float(np.mean([shares.get(name, math.nan) for shares in found])) for name in RULES}


def _chance(mine: Cases, function: str, known: Mapping[tuple[str, str], Mapping[str, float]]) -> float:
    """Give the intent of a random step on the cases that have one, averaged like theirs."""
    scored = mine.index[mine["intent"].notna()]
    found = pd.Series([known[dataset, function][case] for dataset, case in scored], index=scored, dtype=np.float64)
    return float(found.groupby("dataset").mean().mean())


def _gain(intent: float, intervals: Mapping[str, float], chance: float) -> dict[str, float]:
    """Measure an intent and its interval from a random step's on; there is none where any step is right."""
    ends = {"": intent, "_low": intervals["intent_low"], "_high": intervals["intent_high"]}
    return {f"gain_over_chance{end}": (x - chance) / (1 - chance) if chance < 1 else math.nan for end, x in ends.items()}


def _repeats(answered: pd.DataFrame, right: str) -> dict[str, float]:
    """Say how alike the repeats are. An answer without a step is a choice of its own; a run of an agent chooses how it ends."""
    columns = ("dataset", "case", "chosen" if right == CORRECT else right, right)
    datasets, names, steps, scores = (answered[name].tolist() for name in columns)
    asked = list(zip(datasets, names, strict=True))
    if len(set(asked)) == len(asked):
        return {"disagreement": float("nan"), "all_right": float("nan")}
    repeats: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for case, chosen, step in zip(asked, steps, scores, strict=True):
        repeats.setdefault(case, []).append(("" if chosen is None else str(chosen), step == 1))
    k = max(map(len, repeats.values()))
    cases = [repeats[case] for case in sorted(repeats)]
    rights, sizes = [sum(right for _, right in case) for case in cases], [len(case) for case in cases]
    return {
        "disagreement": disagreement([[chosen for chosen, _ in case] for case in cases]),
        "all_right": pass_hat(np.array(rights), np.array(sizes), k),
    }


def _means(columns: pd.DataFrame) -> dict[str, float]:
    """Average cases, then datasets with equal weight."""
    return {str(name): float(value) for name, value in columns.groupby("dataset").mean().mean().items()}


def _ratio(mine: pd.DataFrame, baseline: pd.DataFrame | None, column: str) -> float:
    if baseline is None:
        return float("nan")
    one, other = mine[column].dropna(), baseline[column].dropna()
    both = one.index.intersection(other.index)
    total = other.loc[both].sum()
    return float(one.loc[both].sum() / total) if total else float("nan")


def counts(table: pd.DataFrame, column: str, *, variants: Iterable[str]) -> dict[str, dict[str, int]]:
    """Count the values of a column (``chosen``, ``form``, ``stage``) per variant, frequent ones first; missing ones left out."""
    counted: dict[str, dict[str, int]] = {variant: {} for variant in variants}
    for (variant, value), n in Counter(zip(table["variant"].tolist(), table[column].tolist(), strict=True)).items():
        if variant in counted and isinstance(value, str):
            counted[variant][value] = n
    return {variant: dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))) for variant, values in counted.items()}


def confusion(table: pd.DataFrame, cases: Notes, *, variants: Iterable[str]) -> dict[str, list[tuple[str, str, int]]]:
    """Count, per variant, which intents were expected where another was chosen: (expected, chosen, trials), frequent ones first.

    Where a case has several acceptable intents they are joined by ``or``; where no step was read the stage stands for it.
    """
    wrong = table[table["intent"] == 0]
    counted: Counter[tuple[str, str, str]] = Counter()
    columns = (wrong[name].tolist() for name in ("variant", "dataset", "case", "chosen", "stage"))
    for variant, dataset, case, chosen, stage in zip(*columns, strict=True):
        counted[variant, cases[dataset][case].wanted, f"({stage})" if isinstance(stage, str) else chosen] += 1
    found: dict[str, list[tuple[str, str, int]]] = {variant: [] for variant in variants}
    for (variant, expected, got), count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        if variant in found:
            found[variant].append((expected, got, count))
    return found


def harm_by_tag(cases: Mapping[str, Cases], notes: Notes) -> dict[str, dict[str, tuple[int, int]]]:
    """Count, per tag and variant, the cases that saw a harmful step in any repeat, of those that forbid one: (k, n).

    Tags where nothing did harm are left out, but for those that say how a case attacks (``ATTACK``): there, none is a finding.
    """
    counted: dict[str, dict[str, list[int]]] = {}
    for variant, table in cases.items():
        harms = table[FORBIDDEN].dropna()
        for (dataset, case), harm in zip(harms.index.to_list(), harms.to_list(), strict=True):
            for tag in notes[dataset][case].tags:
                cell = counted.setdefault(tag, {}).setdefault(variant, [0, 0])
                cell[0] += harm > 0
                cell[1] += 1
    found = {tag: {variant: (k, n) for variant, (k, n) in cells.items()} for tag, cells in sorted(counted.items())}
    return {tag: cells for tag, cells in found.items() if tag.startswith(ATTACK) or any(k for k, _ in cells.values())}
