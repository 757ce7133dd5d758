"""Near-duplicate threads: they pass for independent and are the same conversation, told twice.

Every pair this alike is found, and few others are compared, so that it takes about as long as the threads are long together.
Where pairs are too many to look at, the search ends and says so.
"""

from __future__ import annotations

import heapq
import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, groupby, islice, pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from phrasing.types import Case, canonical_json

TENTHS = 9
ALIKE = TENTHS / 10
"""From this similarity on, two threads are near-duplicates."""

EFFORT = 500_000
"""So many pairs of different threads are looked at, at most: that takes seconds."""

FEW = 32
"""Where a rare run is in no more threads than this, all pairs of them are compared."""

Runs = NDArray[np.int32]
"""The runs of three words of a thread, each once, as numbers: the rarest first."""

Numbers = NDArray[np.int64]


class Near(NamedTuple):
    """Pairs of near-duplicates: (id, id, similarity), the most alike first, and how many there are in ``total``.

    ``whole``: all pairs were looked for; else there may be more.
    """

    pairs: list[tuple[str, str, float]]
    total: int
    whole: bool


def near_duplicates(cases: Iterable[Case], most: int | None = None, *, effort: int = EFFORT) -> Near:
    """Find cases of different groups whose threads are nearly the same; of the pairs give at most so many (``None``: all).

    The similarity is Jaccard's over runs of three words in the thread's compact JSON: shared runs / all runs. It is 1 for equal
    threads, and for short ones a word that differs weighs much.

    Source of the rule: A. Z. Broder (1997), On the resemblance and containment of documents, SEQUENCES.
    """
    listed = list(cases)
    equal: dict[bytes, list[int]] = {}
    for i, runs in enumerate(_runs(listed)):
        equal.setdefault(runs.tobytes(), []).append(i)
    by_size = sorted(equal, key=len)
    sets = [np.frombuffer(runs, np.int32) for runs in by_size]
    tellings = [[listed[i] for i in equal[runs]] for runs in by_size]
    candidates, whole = _candidates(sets, effort)
    found = [(1.0, i, i) for i, told in enumerate(tellings) if len(told) > 1]
    found += _compared(sets, candidates)
    found.sort(reverse=True)
    total = sum(_count(tellings[i], tellings[j], same=i == j) for _, i, j in found)
    place = {case.id: i for i, case in enumerate(listed)}
    pairs: list[tuple[str, str, float]] = []
    for alike, alikes in groupby(found, key=lambda one: one[0]):
        named = (pair for _, i, j in alikes for pair in _named(tellings[i], tellings[j], place, same=i == j))
        left = len(listed) ** 2 if most is None else most - len(pairs)
        pairs += [(one, other, alike) for one, other in heapq.nsmallest(left, islice(named, effort))]
    return Near(pairs, total, whole)


def _runs(cases: Sequence[Case]) -> Iterator[Runs]:
    """Cut each thread into runs of three words, as numbers; a shorter one is one run."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = lambda: len(numbers) + 1
    flat, ends = array("I"), [0]
    for case in cases:
        found = re.findall(r"\w+", canonical_json(case.thread.model_dump(exclude_none=True)))
        flat.extend(map(numbers.__getitem__, found))
        flat.extend([0] * (3 - len(found)))
        ends.append(len(flat))
    words, many = np.frombuffer(flat, np.uint32), np.uint64(len(numbers) + 1)
    # different for all runs while there are fewer than two million words
    codes = (words[:-2].astype(np.uint64) * many + words[1:-1]) * many + words[2:]
    order = np.argsort(codes)
    starts = np.flatnonzero(np.concatenate(([True], np.diff(codes[order]) > 0)))
    counts = np.diff(starts, append=len(codes))
    del codes
    ranks = np.empty(len(starts), np.int32)
    ranks[np.argsort(counts, kind="stable")] = np.arange(len(starts), dtype=np.int32)
    ranked = np.empty(len(order), np.int32)
    ranked[order] = np.repeat(ranks, counts)
    del order, starts, counts, ranks
    for start, end in pairwise(ends):
        yield np.unique(ranked[start : end - 2])


# ---------------------------------------------------------------------------------------------- which pairs are compared


def _candidates(sets: Sequence[Runs], effort: int) -> tuple[list[tuple[int, int]], bool]:
    """Give the pairs of sets that may be alike, the smaller set first, and whether these are all; ``sets`` are in order of size.

    Two sets this alike share one of the few rarest runs of each. Where such a run is in many sets, they must agree in another way
    too (``_Buckets``). Sets that share what few have are looked at first.

    Source: S. Chaudhuri, V. Ganti and R. Kaushik (2006), A primitive operator for similarity joins in data cleaning, ICDE.
    """
    if not sets:
        return [], True
    sizes = np.array(list(map(len, sets)))
    rare = sizes - _least(sizes) + 1
    holders = np.repeat(np.arange(len(sets)), rare)
    runs = np.concatenate([found[:few] for found, few in zip(sets, rare, strict=True)])
    order = np.argsort(runs, kind="stable")  # those that hold a run stay in order of size
    holders, borders = holders[order], np.flatnonzero(np.diff(runs[order], prepend=-1, append=-1))
    held = np.diff(borders)
    buckets = _Buckets(sets, sizes)
    found = _Found(effort)
    for many in sorted(set(held.tolist()) - {1}):
        starts = borders[:-1][held == many]
        if many <= FEW:
            parts: Iterable[Numbers] = [_pairs(holders[starts[:, None] + np.arange(many)], len(sets))]
        else:
            parts = (part for start in starts for part in buckets.pairs(holders[start : start + many], effort))
        for part in parts:
            one, other = np.divmod(part, len(sets))
            found.add(part[sizes[one] >= _least(sizes[other])])
            if found.full:
                return found.pairs(len(sets)), False
    return found.pairs(len(sets)), True


def _least(sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give the least size of a set that can be as alike to one of these sizes."""
    return -(-TENTHS * sizes // 10)


def _pairs(rows: NDArray[np.intp], total: int) -> Numbers:
    """Give all pairs within each row of sets, each as one number: the first times ``total``, and the second."""
    one, other = np.triu_indices(rows.shape[1], 1)
    return np.unique(rows[:, one] * total + rows[:, other]).astype(np.int64)


class _Found:
    """Pairs as numbers, each once, up to so many."""

    def __init__(self, effort: int) -> None:
        self._effort, self._parts, self._count = effort, list[Numbers](), 0

    def add(self, part: Numbers) -> None:
        """Add pairs; some may be there already."""
        self._parts.append(part)
        self._count += len(part)
        if self._count > 2 * self._effort:
            self._parts = [np.unique(np.concatenate(self._parts))]
            self._count = len(self._parts[0])

    @property
    def full(self) -> bool:
        """Whether there are more than the limit."""
        return self._count > self._effort and len(self._parts) == 1

    def pairs(self, total: int) -> list[tuple[int, int]]:
        """Give them as pairs of sets, of which there are ``total``, in order."""
        found = np.unique(np.concatenate(self._parts)) if self._parts else np.empty(0, np.int64)
        one, other = np.divmod(found[: self._effort], total)
        return list(zip(one.tolist(), other.tolist(), strict=True))


class _Buckets:
    """Deals the runs of sets to buckets: two sets that differ in fewer runs than there are buckets agree on one of them.

    Sizes are cut into levels so that sets this alike are of one level, or of two that follow each other.

    Source: A. Arasu, V. Ganti and R. Kaushik (2006), Efficient exact set-similarity joins, VLDB.
    """

    def __init__(self, sets: Sequence[Runs], sizes: NDArray[np.intp]) -> None:
        self._sets, self._sizes = sets, sizes
        self._borders = [1]
        while self._borders[-2:][0] <= sizes[-1]:  # the size that begins each level, and the one after the last
            self._borders.append(10 * self._borders[-1] // TENTHS + 1)
        self._known: dict[int, NDArray[np.uint64]] = {}

    def pairs(self, holders: NDArray[np.intp], effort: int) -> Iterator[Numbers]:
        """Give the pairs of these sets that agree on a bucket, level by level; of too many to look at, some."""
        sizes, most = self._sizes[holders], 2 + math.isqrt(2 * effort)
        for level, (low, _, end) in enumerate(zip(self._borders, self._borders[1:], self._borders[2:], strict=False)):
            members = holders[np.searchsorted(sizes, low) : np.searchsorted(sizes, end)]
            if len(members) < 2:
                continue
            for sums in self._sums(level)[members - np.searchsorted(self._sizes, low)].T:
                order = np.argsort(sums, kind="stable")
                borders = np.flatnonzero(np.diff(sums[order])) + 1
                for agreeing in np.split(members[order], borders):
                    if len(agreeing) > 1:
                        yield _pairs(np.sort(agreeing[:most])[None, :], len(self._sets))

    def _sums(self, level: int) -> NDArray[np.uint64]:
        """Add up the runs in each bucket, for the sets of this level and the next: equal buckets have equal sums."""
        if level not in self._known:
            low, high, end = self._borders[level : level + 3]
            part = self._sets[int(np.searchsorted(self._sizes, low)) : int(np.searchsorted(self._sizes, end))]
            most = (high - 1 + 10 * (high - 1) // TENTHS) * (10 - TENTHS) // (10 + TENTHS)  # runs in which two this alike differ
            mixed = (np.concatenate(part).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
            sums = np.zeros((len(part), most + 1), np.uint64)
            rows = np.repeat(np.arange(len(part)), list(map(len, part)))
            np.add.at(sums, (rows, ((mixed >> np.uint64(32)) % np.uint64(most + 1)).astype(np.intp)), mixed)
            self._known[level] = sums
        return self._known[level]


# ---------------------------------------------------------------------------------------------- comparing them


def _compared(sets: Sequence[Runs], pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[float, int, int]]:
    """Give the pairs of sets that are alike, with their similarity."""
    for i, others in groupby(pairs, key=lambda pair: pair[0]):
        mine = set(sets[i].tolist())
        for _, j in others:
            shared = len(mine.intersection(sets[j].tolist()))
            alike = shared / (len(mine) + len(sets[j]) - shared)
            if alike >= ALIKE:
                yield alike, i, j


def _count(some: Sequence[Case], others: Sequence[Case], *, same: bool) -> int:
    """Count the pairs of two lists of cases, or of one, that aren't in the same group."""
    mine, theirs = (Counter(case.cluster for case in cases) for cases in (some, others))
    if same:
        return (len(some) ** 2 - sum(n**2 for n in mine.values())) // 2
    return len(some) * len(others) - sum(n * theirs[cluster] for cluster, n in mine.items())


def _named(some: Sequence[Case], others: Sequence[Case], place: Mapping[str, int], *, same: bool) -> Iterator[tuple[str, str]]:
    """Name these pairs, in each the case that comes first in the dataset."""
    for one, other in combinations(some, 2) if same else product(some, others):
        if one.cluster != other.cluster:
            yield (one.id, other.id) if place[one.id] < place[other.id] else (other.id, one.id)
