"""Predictions of a group from all others: the same as fitting once for each group, which takes as many inverses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.stats.ridge import leave_groups_out


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.integers(1, 8),
    st.sampled_from([0.1, 1.0, 30.0]),
)
def test_one_inverse_gives_what_a_fit_for_each_group_gives(seed: int, groups: list[int], width: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    features, targets = rng.normal(size=(len(groups), width)), rng.normal(size=(len(groups), 3))
    found = leave_groups_out(features @ features.T, targets, groups, penalty=penalty)
    for group in set(groups):
        mine = np.array(groups) == group
        others = features[~mine]
        # the primal form: (X'X + penalty I) w = X'y
        weights = np.linalg.solve(others.T @ others + penalty * np.eye(width), others.T @ targets[~mine])
        assert found[mine] == pytest.approx(features[mine] @ weights, abs=1e-9)


def test_a_single_group_gets_nothing() -> None:
    assert leave_groups_out(np.ones((2, 2)), [[1.0], [0.0]], ["g", "g"]) == pytest.approx(np.zeros((2, 1)), abs=1e-12)


def test_no_case_is_no_prediction() -> None:
    assert leave_groups_out(np.zeros((0, 0)), np.zeros((0, 2)), []).shape == (0, 2)
