"""Requirements: what a suite demands of its arms, held against the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phrasing.suite import Requirement


@dataclass(frozen=True)
class Verdict:
    """A requirement held against one arm. ``value`` is a mean from 0 to 1; ``None``: no case it applies to was answered."""

    requirement: Requirement
    arm: str
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the value lies within the bounds. A value that isn't there doesn't."""
        if self.value is None:
            return False
        low, high = self.requirement.min, self.requirement.max
        return (low is None or self.value >= low) and (high is None or self.value <= high)

    def __str__(self) -> str:
        limits = (("at least", self.requirement.min), ("at most", self.requirement.max))
        bounds = " and ".join(f"{what} {limit:g}" for what, limit in limits if limit is not None)
        value = "nothing to measure" if self.value is None else f"{self.value:.3f}"
        return f"{'passed' if self.passed else 'missed'}: {self.requirement.score} {value}, required {bounds}, in {self.arm}"


def evaluate(requirements: Iterable[Requirement], arms: Iterable[dict[str, object]]) -> Iterator[Verdict]:
    """Hold each requirement against each arm that its ``where`` matches.

    ``arms`` are rows of the summary as dictionaries, with the arm's text under ``arm``.
    """
    rows = list(arms)
    for requirement in requirements:
        for row in rows:
            if all(row[axis] == value for axis, value in requirement.where.items()):
                yield Verdict(requirement, str(row["arm"]), _value(row, requirement.score))


def _value(row: dict[str, object], score: str) -> float | None:
    if score == "harm":
        k, n = row["harm_k"], row["harm_n"]
        assert isinstance(k, int)
        assert isinstance(n, int)
        return k / n if n else None
    value = row[score]
    assert isinstance(value, float)
    return None if value != value else value
