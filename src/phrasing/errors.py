"""What can go wrong, as a tree. Everything a user can mend is a ``UserError`` and is printed without a traceback.

::

    UserError                      exit code 2: something the user wrote
    ├── SuiteError                 evals/**/*.yaml, prompts/*.yaml, or a name on the command line
    ├── DatasetError               datasets/*.jsonl
    ├── FormatError                formats/*, notations/*
    ├── BamlError                  baml_src/*.baml
    ├── ModelError                 a model that can't be asked: missing key, missing extra, wrong digest, dead endpoint
    ├── PackageError               a Python package that can't be got
    ├── StoreError                 a run folder
    └── LogError                   a log to import, or how it is to be imported
    CompletionError                one request failed; becomes a result, never a crash
    NotSent                        one request wasn't sent, because a limit of the run was reached while it waited

Messages follow one shape, ``where: what, with the value quoted; there are: choices``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from phrasing.types import Quota


class UserError(Exception):
    """A mistake the user can mend. ``where`` names the file (and line) it was found in."""

    def __init__(self, message: str, *, where: str | None = None) -> None:
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)


class SuiteError(UserError):
    """A suite, a rewrite, or a name given on the command line, is wrong."""


class DatasetError(UserError):
    """A dataset line is wrong."""


class FormatError(UserError):
    """A format or a notation can't be loaded, raises, or returns something that isn't a rendering."""


class BamlError(UserError):
    """BAML sources don't compile, or hold something that isn't supported."""


class ModelError(UserError):
    """A model can't be asked at all."""


class PackageError(UserError):
    """A Python package can't be got."""


class StoreError(UserError):
    """A run folder can't be read or written."""


class LogError(UserError):
    """A log can't be imported, or not so."""


CompletionErrorKind = Literal["overflow", "refused", "fatal", "transient"]


class CompletionError(Exception):
    """One request got no answer.

    ``kind`` decides what happens next: ``overflow`` (longer than the context window: the trial scores 0),
    ``refused`` (a content filter: the trial scores 0), ``fatal`` (authentication and other 4xx: that model stops),
    ``transient`` (timeout, 429, 5xx, connection, after all retries: the trial is an error, asked again on resume).
    ``attempts`` were made. A provider may say how many an error is ``worth`` (else one, or where it is transient as many as the
    client makes), and how many seconds to wait before the next (``retry_after``). ``throttled``: the provider asks for fewer
    requests, which says nothing of this one; ``quota`` is what it says is left.
    """

    def __init__(
        self,
        kind: CompletionErrorKind,
        message: str,
        *,
        attempts: int = 1,
        worth: int | None = None,
        retry_after: float | None = None,
        throttled: bool = False,
        quota: Quota | None = None,
    ) -> None:
        self.kind = kind
        self.attempts = attempts
        self.worth = worth
        self.retry_after = retry_after
        self.throttled = throttled
        self.quota = quota
        super().__init__(message)


class NotSent(Exception):
    """A request wasn't sent, because a limit of the run (dollars, calls, minutes) was reached while it waited."""


def unknown(what: str, name: str, choices: Iterable[str]) -> str:
    """Say that ``name`` isn't one of ``choices``: the nearest one first, then all of them."""
    known = sorted(choices)
    near = get_close_matches(name, known, n=1)
    from phrasing.texts import how_unlike  # what makes a command's help has no use for it

    how = how_unlike(near[0], name) if near else None
    hint = f" (did you mean {near[0]!r}?{f' {how}' if how else ''})" if near else ""
    return f"{what} {name!r} not found{hint}; there are: {', '.join(known) or 'none'}"


def shorten(text: str, limit: int = 300) -> str:
    """Fold white space and cut a text that came from elsewhere, so that it fits in a message."""
    folded = " ".join(text[: 4 * limit].split())
    return folded if len(folded) <= limit and len(text) <= 4 * limit else f"{folded[: limit - 1]}…"
