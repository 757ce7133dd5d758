"""Rank correlations, held against SciPy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.stats.correlation import LEAST, spearman

VALUES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=LEAST, max_size=40)


@given(VALUES)
def test_it_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    from scipy.stats import spearmanr

    one, other = zip(*pairs, strict=True)
    found = spearman(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(spearmanr(one, other).statistic)
    assert -1 <= found.low <= found.value <= found.high <= 1
    swapped = spearman(other, one)
    assert swapped is not None
    assert swapped.value == pytest.approx(found.value)


def test_few_pairs_have_none() -> None:
    assert spearman(range(LEAST - 1), range(LEAST - 1)) is None
    found = spearman(range(LEAST), range(LEAST))
    assert found is not None
    assert found == (pytest.approx(1), pytest.approx(1), pytest.approx(1))


def test_the_interval_is_that_of_bonett_and_wright() -> None:
    one, other = range(20), [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 19, 18, 17, 16]
    found = spearman(one, other)
    assert found is not None
    value = 1 - 6 * (16 + 2 * (9 + 1)) / (20 * 399)
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == (pytest.approx(0.9168, abs=1e-3), pytest.approx(0.9914, abs=1e-3))


def test_numbers_have_to_be_pairs() -> None:
    with pytest.raises(ValueError, match="wanted pairs, got 12 and 13 numbers"):
        spearman(range(12), range(13))
