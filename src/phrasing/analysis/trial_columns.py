"""Results as columns: what tables and figures need of each trial, and nothing that grows with its answer.

A result with its texts takes some 15 KB, a row of these columns some 600 bytes. So results are added one at a time, and let go.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from math import nan
from typing import Any

from phrasing.records import Result
from phrasing.scores import STORED
from phrasing.types import Completion

SAID = "what was said"
"""The column of what was asked and answered, without how long it took and what it cost: a digest; missing without an answer."""

ASKED = "what was asked"
"""The column of what was asked alone: a digest of the request's key; missing without an answer."""

MESSAGE = "what went wrong"
"""The column of the messages of errors; missing where there is none."""

FAILED = "failed scorers"
"""The column of the names of the suite's own scores whose scorer failed."""

_SHARED = (
    *("dataset", "case", "function", "edit", "format", "output", "model", "variant", "error"),
    *("chosen", "form", "stage", "marks", "finish_reason", "emulated", "unread", MESSAGE),
)
"""Columns of texts that come again and again."""

_OWN = ("trial", "at", ASKED, SAID)
"""Columns of texts that are each trial's own."""

_TOKENS = ("instructions", "schema", "examples", "thread", "question", "framing", "spread")

NUMBERS = (
    *(f"tokens_{name}" for name in _TOKENS),
    *("tokens", "prompt_tokens", "answer_tokens", "cached_tokens", "reasoning_tokens"),
    *("latency", "first_byte", "first_token", "cost", "attempts", "logprob"),
)
"""Columns of numbers besides ``repeat`` and scores; NaN where one is missing."""


OUTCOMES = (
    *("steps", "virtual_seconds", "unreadable", "errors_met", "repeated_steps", "doubled_effects"),
    *("questions", "needless_questions", "missed_questions", "peak_tokens"),
)
"""Columns of counts of an agent's run."""

ENDED = "ended"
"""The column of why an agent's run ended."""


_AT_ONCE = 1000
"""So many rows wait at most."""


class TrialColumns:
    """The columns of results that are added. ``scorers`` names the suite's own scores, which have columns beside the others;
    ``outcomes``: the results are those of agents that were run to their end.
    """

    def __init__(self, scorers: Sequence[str], *, outcomes: bool = False) -> None:
        self._scorers, self._scores = tuple(scorers), (*STORED, *scorers)
        self._outcomes = OUTCOMES if outcomes else ()
        shared = (*_SHARED, ENDED) if outcomes else _SHARED
        self._texts: dict[str, list[Any]] = {name: [] for name in (*shared, FAILED, *_OWN)}
        self._repeats = array("q")
        self._numbers: dict[str, array[float]] = {name: array("d") for name in (*self._scores, *self._outcomes, *NUMBERS)}
        self._known: dict[Any, Any] = {}
        """Texts that come again and again, each once."""
        self._waiting: list[tuple[tuple[Any, ...], list[float | None]]] = []
        """Rows that aren't in the columns yet: to put many there at once is quicker."""

    def __len__(self) -> int:
        return len(self._repeats) + len(self._waiting)

    def add(self, result: Result) -> None:
        """Add a row."""
        failed = tuple(name for name in self._scorers if name in result.scores and result.scores[name].failed)
        ended = (result.outcome.ended if result.outcome else None,) if self._outcomes else ()
        self._waiting.append(((*_texts(result), *ended, failed, *_own_texts(result), result.repeat), self._numbers_of(result)))
        if len(self._waiting) == _AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        """Put the rows that wait into the columns."""
        if not self._waiting:
            return
        texts, numbers = zip(*self._waiting, strict=True)
        *columns, repeats = zip(*texts, strict=True)
        for (name, column), found in zip(self._texts.items(), columns, strict=True):
            column.extend(found if name in _OWN else map(self._known.setdefault, found, found))
        for number, values in zip(self._numbers.values(), zip(*numbers, strict=True), strict=True):
            number.extend(nan if value is None else value for value in values)
        self._repeats.extend(repeats)
        self._waiting.clear()

    def _numbers_of(self, result: Result) -> list[float | None]:
        scores, tokens, done = result.scores, result.tokens, result.completion or _NONE
        found: list[float | None] = [scores[name].value if name in scores else None for name in self._scores]
        found += [getattr(result.outcome, name) if result.outcome else None for name in self._outcomes]
        found += [tokens.instructions, tokens.schema_, tokens.examples, tokens.thread, tokens.question, tokens.framing]
        usage = done.usage
        found += [tokens.spread, tokens.total, usage.prompt, usage.completion, usage.cached, usage.reasoning]
        found += [done.latency, done.first_byte, done.first_token, done.cost, done.attempts if result.completion else None]
        return [*found, sum(value for _, value in done.logprobs) if done.logprobs else None]

    def texts(self, name: str) -> Sequence[Any]:
        """Give a column of texts, of all rows."""
        self._settle()
        return self._texts[name]

    def rows(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Give the columns by name, of the rows with these numbers (from 0, in the order in which they were added)."""
        import numpy as np  # not where a run is only looked for

        self._settle()
        found: dict[str, Any] = {name: [column[i] for i in numbers] for name, column in self._texts.items()}
        places = np.asarray(numbers, dtype=np.intp)
        found["repeat"] = np.frombuffer(self._repeats, dtype=np.int64)[places] if len(self) else np.zeros(0, dtype=np.int64)
        for name, column in self._numbers.items():
            found[name] = np.frombuffer(column)[places] if len(self) else np.zeros(0)
        return found


_NONE = Completion()


def _texts(result: Result) -> tuple[Any, ...]:
    """Give what is in ``_SHARED``."""
    parsed, done, error = result.parsed, result.completion, result.error
    return (
        result.dataset,
        result.case,
        result.function,
        result.edit,
        result.format,
        result.output,
        result.model,
        result.variant,
        error.kind if error else None,
        parsed.step.intent if parsed and parsed.step else None,
        parsed.form if parsed else None,
        parsed.stage if parsed else None,
        " ".join(parsed.marks) if parsed else "",
        done.finish_reason if done else None,
        done.emulated if done else None,
        " ".join(done.unread) or None if done else None,
        error.message if error else None,
    )


def _own_texts(result: Result) -> tuple[Any, ...]:
    """Give what is in ``_OWN``."""
    done = result.completion
    if done is None or result.error:
        return result.trial, result.at, None, None
    return result.trial, result.at, _digest(result.key), _said(result.key, done)


def _said(key: str, done: Completion) -> bytes:
    calls = [(call.name, call.arguments) for call in done.tool_calls]
    return _digest((key, done.text, calls, done.finish_reason))


def _digest(what: object) -> bytes:
    return hashlib.blake2b(repr(what).encode(), digest_size=16).digest()
