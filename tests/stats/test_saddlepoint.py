"""Weighted sums of exponential variables: against the beta distribution, and against draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

from phrasing.stats.saddlepoint import below_zero


@given(up=st.integers(1, 300), down=st.integers(1, 300), p=st.floats(1e-12, 0.999))
def test_of_two_values_it_is_the_beta_distribution(up: int, down: int, p: float) -> None:
    share = float(special.betaincinv(up, down, p))
    assume(1e-9 < share < 1 - 1e-9)
    found = below_zero(np.array([1 / share - 1] * up + [-1.0] * down))
    assert found == pytest.approx(p, rel=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_of_many_values_it_is_what_is_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.append(rng.normal(0.4, 1, 12), -3.0)
    drawn = (rng.standard_exponential((400_000, len(values))) @ values <= 0).mean()
    assert below_zero(values) == pytest.approx(drawn, abs=0.004)


sizes = st.lists(st.floats(1e-6, 1), min_size=1, max_size=10)


@given(won=sizes, lost=sizes, ties=st.integers(0, 5))
def test_it_is_a_probability_and_its_mirror_is_the_rest(won: list[float], lost: list[float], ties: int) -> None:
    x = np.array([*won, *(-value for value in lost), *[0.0] * ties])
    assert 0 <= below_zero(x) <= 1
    assert below_zero(x) + below_zero(-x) == pytest.approx(1, abs=1e-3)
    assert below_zero(x * 1e-9) == pytest.approx(below_zero(x), abs=1e-6)


def test_sums_of_one_sign_are_certain() -> None:
    assert below_zero(np.array([1.0, 0.5])) == 0
    assert below_zero(np.array([0.0, 0.0])) == 1
    assert below_zero(np.array([-1.0, 0.0])) == 1


def test_in_the_middle_it_has_no_jump() -> None:
    tails = [below_zero(np.array([1.0] * 6 + [-shift] * 5)) for shift in np.linspace(1.05, 1.3, 2000)]
    assert max(np.abs(np.diff(tails))) < 5e-4
