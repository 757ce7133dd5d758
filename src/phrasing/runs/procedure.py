"""What is done for one trial, apart from the grid: how a procedure is asked for its requests and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from phrasing.plan.resolve import Plan
from phrasing.records import Failure, Result
from phrasing.types import Prompt, Request, Trial, digest


class Sent(NamedTuple):
    """What is sent: a prompt, and the request that carries it. ``of`` is what else an answer depends on, in a digest."""

    prompt: Prompt
    request: Request
    of: str = ""

    @property
    def key(self) -> str:
        """The key of the line of an answer."""
        return self.key_at(None)

    def key_at(self, api_base: str | None) -> str:
        """Give the key that it had in earlier versions, where its model was served there."""
        key = self.request.key_at(api_base)
        return digest(f"{key} {self.of}") if self.of else key


class Exchange(Protocol):
    """What a procedure is given for a trial: how its requests are sent, and its results kept."""

    async def ask(self, sent: Sent, step: int = 0) -> Result | None:
        """Send a request, as which step of the trial, and give the line of its answer, or of why there is none, without scores.

        A recording may answer instead, or what an earlier run of the same trial was answered. ``None``: it isn't asked, because a
        limit is reached or its model is stopped.
        """

    def failed(self, sent: Sent, failure: Failure) -> Result:
        """Give the line of a trial that can't go on."""

    def keep(self, result: Result) -> None:
        """Keep a result, once it is scored."""

    def hold(self, part: JsonValue) -> str:
        """Keep something that lines name, once however many do; give its id."""


class Procedure(Protocol):
    """What is done for a trial."""

    def first(self, plan: Plan, trial: Trial) -> Sent:
        """Give what is sent first, before any answer: a stored answer to another request is outdated."""

    def inputs(self, plan: Plan) -> Callable[[Trial], str | None]:
        """Give what digests all that ``first`` depends on, by trial; ``None``: that isn't known."""

    async def bring(self, plan: Plan, trial: Trial, sent: Sent, exchange: Exchange) -> None:
        """Send what was given as first, and whatever follows from its answer; keep each result."""
