"""Every trial that two runs answered is counted once: asked otherwise, the same answer, scored the same, or another one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.analysis import same_answers
from phrasing.analysis.compare import Comparison
from phrasing.analysis.same_answers import SameAnswers
from phrasing.analysis.trial_columns import ASKED, SAID
from phrasing.report import text
from phrasing.suite.schema import Comparing

SCORES = ("intent", "args")

TRIAL = st.tuples(st.sampled_from("vw"), st.sampled_from(["c-1", "c-2"]), st.integers(0, 1))
ANSWER = st.tuples(
    st.sampled_from([b"asked", b"otherwise"]),
    st.sampled_from([None, b"one", b"two", b"three"]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.0, 1.0, np.nan]),
)
RUN = st.dictionaries(TRIAL, ANSWER)


def table(run: dict[tuple[str, str, int], tuple[bytes, bytes | None, float, float]], names: dict[str, str]) -> pd.DataFrame:
    """The table of a run's trials. A run's answers to other requests are other answers, as their digests are."""
    rows = [
        (names[variant], "mail", case, repeat, asked if said else None, asked + said if said else None, *scores)
        for (variant, case, repeat), (asked, said, *scores) in run.items()
    ]
    return pd.DataFrame(rows, columns=["variant", "dataset", "case", "repeat", ASKED, SAID, *SCORES])


def kind(here: tuple[bytes, bytes | None, float, float], there: tuple[bytes, bytes | None, float, float]) -> str:
    """What becomes of a trial, told trial by trial."""
    if here[0] != there[0]:
        return "asked otherwise"
    if here[1] == there[1]:
        return "same"
    return (
        "scored the same" if all(a == b or (a != a and b != b) for a, b in zip(here[2:], there[2:], strict=True)) else "differs"
    )


@given(RUN, RUN)
def test_each_trial_that_both_answered_counts_once(mine: dict, theirs: dict) -> None:  # type: ignore[type-arg]
    both = [key for key in mine.keys() & theirs.keys() if mine[key][1] and theirs[key][1]]
    kinds = Counter(kind(mine[key], theirs[key]) for key in both)
    named = {"v": "v there", "w": "w there"}
    found = same_answers.count(table(mine, {"v": "v", "w": "w"}), table(theirs, named), named, SCORES)
    assert found == SameAnswers(len(both), kinds["asked otherwise"], kinds["same"], kinds["scored the same"])
    assert found.differ == kinds["differs"]


def test_a_variant_that_the_other_run_lacks_counts_for_nothing() -> None:
    run = {("v", "c-1", 0): (b"asked", b"one", 1.0, 1.0), ("w", "c-1", 0): (b"asked", b"one", 1.0, 1.0)}
    mine = table(run, {"v": "v", "w": "w"})
    assert same_answers.count(mine, mine, {"v": "v"}, SCORES).both == 1


SAYINGS = {
    "all": (SameAnswers(24, 0, 24, 0), "All 24 answers are the same as in the recording."),
    "some": (
        SameAnswers(24, 0, 21, 2),
        "21 of 24 answers are the same as in the recording, 2 more are scored the same, 1 differs. "
        "The requests are the same: why.",
    ),
    "one": (
        SameAnswers(4, 0, 1, 1),
        "1 of 4 answers is the same as in the recording, 1 more is scored the same, 2 differ. The requests are the same: why.",
    ),
    "none scored the same": (
        SameAnswers(3, 1, 1, 0),
        "1 of 2 answers is the same as in the recording, 1 differs. The requests are the same: why. "
        "1 more is to requests that have changed.",
    ),
    "changed": (
        SameAnswers(5, 2, 3, 0),
        "All 3 answers are the same as in the recording. 2 more are to requests that have changed.",
    ),
    "all changed": (SameAnswers(5, 5, 0, 0), ""),
    "nothing": (SameAnswers(0, 0, 0, 0), ""),
}


@pytest.mark.parametrize(("found", "said"), SAYINGS.values(), ids=SAYINGS)
def test_the_sentence(found: SameAnswers, said: str) -> None:
    assert text.same_answers(Comparison(Comparing(), (), (), "recorded", same_answers=found), ["why"]) == said


def test_another_run_is_named() -> None:
    found = Comparison(Comparing(), (), (), "runs/x", same_answers=SameAnswers(2, 0, 2, 0))
    assert text.same_answers(found, []) == "All 2 answers are the same as in runs/x."
