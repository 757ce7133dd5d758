"""Draw a sample that is like the whole, and split cases into parts, with conversations kept together.

Cases here are rows of arrays of numbers, so that a million of them fit: see ``draw_indices``.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phrasing.errors import SuiteError
from phrasing.types import CaseNote

Indices = NDArray[np.intp]
"""Which cases, in rising order."""


# ---------------------------------------------------------------------------------------------- a sample


def draw(cases: Mapping[str, CaseNote], size: int | None, seed: int) -> list[str]:
    """Draw ``size`` cases (``None``: all of them), in the order of ``cases``, which are by id.

    Conversations (a group, or a case without one) stay whole; only the last that is drawn is cut, at its later turns, where it
    is larger than what is left. They are drawn so that the shares of the first expected intents are those of all cases: again
    and again the intent that is furthest behind its share is looked for, and the next conversation that holds it is taken, in
    an order drawn by ``seed``. Where each conversation expects one intent only, no intent ends further from its share than the
    cases of the largest conversation. The order of ``cases`` doesn't matter.
    """
    if size is None:
        return list(cases)
    names = list(cases)
    intents = ranks(note.expect[0] for note in cases.values())
    clusters = ranks(note.group or name for name, note in cases.items())
    order = ranks((note.turn or 0, name) for name, note in cases.items())
    return [names[i] for i in draw_indices(intents, clusters, order, size, seed)]


def ranks(values: Iterable[Any]) -> NDArray[np.intp]:
    """Give each value its place among the different ones, sorted: numbers from 0 that say nothing of the order of ``values``."""
    listed = list(values)
    place = {value: number for number, value in enumerate(sorted(set(listed)))}
    return np.fromiter((place[value] for value in listed), np.intp, len(listed))


def draw_indices(strata: ArrayLike, clusters: ArrayLike, order: ArrayLike, size: int, seed: int) -> Indices:
    """Draw ``size`` rows as ``draw`` does: a row has a stratum, a cluster (its conversation) and a place in that (``order``).

    Strata are small numbers from 0, clusters and places any numbers; of strata equally far behind the lowest is served.
    Takes time n log n, and about 50 bytes a row besides the arguments.
    """
    strata, clusters = np.asarray(strata), np.asarray(clusters)
    count = len(strata)
    if size >= count:
        return np.arange(count)
    rows = np.lexsort((np.asarray(order), clusters))  # cluster by cluster, each in its order
    strata, clusters = strata[rows], clusters[rows]
    borders = np.flatnonzero(np.concatenate(([True], clusters[1:] != clusters[:-1], [True])))
    del clusters
    shuffled = array("q", range(len(borders) - 1))
    Random(seed).shuffle(shuffled)
    places = np.empty(len(shuffled), np.intp)
    places[np.asarray(shuffled)] = np.arange(len(shuffled))  # of a cluster in the shuffled order
    places = np.repeat(places, np.diff(borders))  # of a row's cluster
    # For each stratum in turn, where its rows' clusters are in the shuffled order: the queue that it is served from.
    queue = places[np.lexsort((places, strata))]
    del places
    whole = np.bincount(strata)
    heads = (np.cumsum(whole) - whole).tolist()
    behind = (whole * size).tolist()  # what each stratum lacks to its share, times ``count``
    # A stratum only ever gets less behind. So an entry of the heap says at least what is true, and the first one that says
    # what is true is the largest of all.
    heap = [(-lack, stratum) for stratum, lack in enumerate(behind)]
    heapq.heapify(heap)
    taken, drawn = bytearray(len(shuffled)), np.zeros(count, np.bool_)
    # Views, because they give plain numbers: those of numpy are slow one by one.
    of_row, border, waiting = strata.data, borders.data, queue.data
    while size > 0:
        lack, stratum = heap[0]
        if -lack != behind[stratum]:
            heapq.heapreplace(heap, (-behind[stratum], stratum))
            continue
        while taken[waiting[heads[stratum]]]:
            heads[stratum] += 1
        place = waiting[heads[stratum]]
        taken[place] = True
        begin, end = border[shuffled[place]], min(border[shuffled[place] + 1], border[shuffled[place]] + size)
        drawn[begin:end] = True
        size -= end - begin
        for each in of_row[begin:end]:
            behind[each] -= count
    return np.sort(rows[drawn])


def length_bands(lengths: ArrayLike) -> NDArray[np.intp]:
    """Give each length the quarter of all lengths that it lies in, 0 to 3. Equal lengths share one, so quarters may be uneven."""
    of_row = np.asarray(lengths)
    quartiles = np.quantile(of_row, (0.25, 0.5, 0.75)) if len(of_row) else np.zeros(3)
    return np.searchsorted(quartiles, of_row)


# ---------------------------------------------------------------------------------------------- parts


def position(cluster: str, seed: int) -> int:
    """Place a conversation by its name and the seed alone, evenly from 0 to 2^64 - 1."""
    text = f"{seed}:{cluster}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def pick(choices: Sequence[str], name: str, seed: int) -> str:
    """Draw one of several by a name and the seed alone: whatever else is drawn, and however much of it."""
    return choices[position(name, seed) * len(choices) >> 64]


def split(cluster: str, shares: Mapping[str, float], seed: int) -> str:
    """Say which part a conversation belongs to: all of its cases do, and so they will when more conversations have come.

    ``shares`` are the parts by name, such as ``{"dev": 0.3, "test": 0.7}``; their order doesn't matter. Raises ``SuiteError``
    where they aren't positive numbers that add up to 1.
    """
    found = split_indices([position(cluster, seed)], shares)
    return next(name for name, rows in found.items() if len(rows))


def split_indices(positions: ArrayLike, shares: Mapping[str, float]) -> dict[str, Indices]:
    """Split rows as ``split`` does, by the ``position`` of their conversations: each part's rows, in the order of ``shares``."""
    _check(shares)
    names = sorted(shares)
    ends = [min(int(end * 2**64), 2**64 - 1) for end in accumulate(shares[name] for name in names[:-1])]
    parts = np.searchsorted(np.array(ends, np.uint64), np.asarray(positions, np.uint64), side="right")
    return {name: np.flatnonzero(parts == names.index(name)) for name in shares}


def parse_shares(text: str) -> dict[str, float]:
    """Read ``dev=0.3,test=0.7``. Raises ``SuiteError`` where that can't be, or the shares don't add up to 1."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        written = re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*=\s*([0-9.]+)\s*", part)
        try:
            name, share = (written[1], float(written[2])) if written else ("", math.nan)
        except ValueError:
            share = math.nan
        if math.isnan(share):
            raise SuiteError(f"{part!r} is no part with its share; wanted parts such as dev=0.3,test=0.7")
        if name in shares:
            raise SuiteError(f"the part {name!r} is given twice, in {text!r}")
        shares[name] = share
    _check(shares)
    return shares


def _check(shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if not share > 0:
            raise SuiteError(f"the share of {name!r} is {share:g}; wanted more than 0")
    total = math.fsum(shares.values())
    if not math.isclose(total, 1, abs_tol=1e-9):
        written = ", ".join(f"{name}={share:g}" for name, share in shares.items()) or "none"
        raise SuiteError(f"shares must add up to 1, and these add up to {total:g}: {written}")
