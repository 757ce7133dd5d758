"""The no-model baseline ``words``: a linear rule on which words stand in a thread, learnt from other conversations.

A case's features are the words of its thread, each once however often it occurs, and once more, apart, the words of its last
event: names of fields and values, by letters and digits, in lower case, and the events' types. Rows have length 1, and there is a
constant. The expected steps of a case share a weight of 1, which a ridge regression (penalty 1) predicts; the step with the
highest prediction is picked, the first by name of several.

As in ``no_model``, what is picked for a case is learnt from the cases of all *other* groups. ``docs/decisions/0036`` says which
other rules were tried on this project's datasets.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from phrasing.stats.ridge import leave_groups_out
from phrasing.types import Case, Event, digest

MOST = 1000
"""Of more cases the rule learns and is tried on so many, drawn by their ids: that it costs seconds at most, not hours."""

AT_ONCE = 4096
"""So many words are counted at a time, which bounds the memory that a table of them and the cases takes."""

DIGITS = 9
"""Predictions that agree to so many digits are equal: rounding differs from machine to machine, and must decide nothing."""

_WORD = re.compile(r"\w+")


def picks(cases: Mapping[str, Case], functions: Mapping[str, Collection[str]]) -> dict[str, dict[str, str]]:
    """Say which step the rule picks for each case (by id), of each function's steps: by function, then by case.

    Nothing (an empty text) where no other group expects any of the steps. Cases beyond ``MOST`` are left out.
    """
    drawn = sorted(heapq.nsmallest(MOST, cases, key=lambda name: (digest(name), name)))
    if not drawn or not functions:
        return {name: {} for name in functions}
    kept = [cases[name] for name in drawn]
    groups = np.unique([case.cluster for case in kept], return_inverse=True)[1]
    ordered = {name: sorted(steps) for name, steps in functions.items()}
    targets = {name: _weights(kept, steps) for name, steps in ordered.items()}
    found = leave_groups_out(_alike(kept), np.hstack(list(targets.values())), groups)
    picked, start = {}, 0
    for name, steps in ordered.items():
        scores = _known(found[:, start : start + len(steps)], targets[name], groups)
        picked[name] = {case: _best(row, steps) for case, row in zip(drawn, scores, strict=True)}
        start += len(steps)
    return picked


def _weights(cases: Sequence[Case], steps: Sequence[str]) -> NDArray[np.float64]:
    """Share a weight of 1 among a case's expected steps, of those that there are: cases x steps."""
    expected = np.array([[step in case.note.expect for step in steps] for case in cases], dtype=np.float64)
    shared: NDArray[np.float64] = expected / np.maximum(1, expected.sum(axis=1, keepdims=True))
    return shared


def _known(found: NDArray[np.float64], targets: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Leave out the predictions for steps that no other group expects."""
    own = np.zeros((groups.max() + 1, targets.shape[1]))
    np.add.at(own, groups, targets > 0)
    others = own.sum(axis=0) - own
    return np.where(others[groups] > 0, found.round(DIGITS), -np.inf)


def _best(scores: NDArray[np.float64], steps: Sequence[str]) -> str:
    place = int(scores.argmax())
    return steps[place] if scores[place] > -np.inf else ""


# ---------------------------------------------------------------------------------------------- threads to numbers


def _alike(cases: Sequence[Case]) -> NDArray[np.float64]:
    """Give the inner products of the cases' features: how many words two share, over the lengths of both, and the constant."""
    features = [_features(case.thread.events) for case in cases]
    holders: defaultdict[str, list[int]] = defaultdict(list)  # word -> the cases that hold it
    for case, found in enumerate(features):
        for feature in found:
            holders[feature].append(case)
    sizes = np.array([len(found) for found in features])
    shared = np.zeros((len(cases), len(cases)))
    common = [held for held in holders.values() if len(held) > 1]  # what one case alone holds none shares
    for start in range(0, len(common), AT_ONCE):
        part = common[start : start + AT_ONCE]
        there = np.zeros((len(part), len(cases)), np.float32)  # sums of ones are exact in it, and it takes half the time
        there[np.repeat(np.arange(len(part)), list(map(len, part))), np.concatenate(part)] = 1
        shared += there.T @ there
    np.fill_diagonal(shared, sizes)
    alike: NDArray[np.float64] = shared / np.sqrt(np.outer(sizes, sizes)) + 1
    return alike


def _features(events: Sequence[Event]) -> set[str]:
    """Give the words of a thread, and once more those of its last event, told apart by a sign that is in no word."""
    last = _words(events[-1])
    return last.union(*map(_words, events[:-1]), (f">{word}" for word in last))


def _words(event: Event) -> set[str]:
    found = {f"<{event.type}>"}  # no word of a value looks like this
    waiting: list[JsonValue] = [event.data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += (*value, *value.values())
        elif isinstance(value, list):
            waiting += value
        elif value is not None:
            found.update(_WORD.findall(str(value).lower()))
    return found
