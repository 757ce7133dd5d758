"""What a run may take: dollars, calls, minutes. At a limit no request starts any more; what is in flight is waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Budget:
    """The limits of a run, and what it has used of them. ``None``: no limit.

    ``max_cost`` is in US dollars. What an answer costs is known when it is there, so it may be overshot by the cost of what is in
    flight; ``max_calls`` isn't overshot at all. ``max_minutes`` count from when this was made.
    """

    max_cost: float | None = None
    max_calls: int | None = None
    max_minutes: float | None = None
    clock: Callable[[], float] = time.monotonic
    cost: float = 0.0
    calls: int = 0
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def left(self) -> float:
        """Seconds in which a request that is made already may still be sent."""
        if self.max_cost is not None and self.cost >= self.max_cost:
            return 0.0
        if self.max_minutes is None:
            return math.inf
        return max(0.0, self._began + 60 * self.max_minutes - self.clock())

    @property
    def reached(self) -> str | None:
        """Name the limit that is reached."""
        if self.max_cost is not None and self.cost >= self.max_cost:
            return f"the limit of ${self.max_cost:g} is reached"
        if self.max_calls is not None and self.calls >= self.max_calls:
            return f"the limit of {self.max_calls} calls is reached"
        if self.left <= 0:
            return f"the limit of {self.max_minutes:g} minutes is reached"
        return None
