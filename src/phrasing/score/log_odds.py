"""How sure a model was that a step is acceptable: from the tokens that name the step it picked, and what was likely beside them.

Right or wrong says little of a case: a model that was all but undecided scores as one that was sure. The *log-odds* say how much
likelier acceptable steps were than the others, as a natural logarithm: 0 is as likely, 2.3 is ten times, -2.3 a tenth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from phrasing.records import Result
from phrasing.types import CaseNote, Completion

LIMIT = 10.0
"""Log-odds lie between this and its negative: what is rarer isn't kept with an answer."""


def of_result(result: Result, note: CaseNote | None, steps: Mapping[str, Collection[str]]) -> float | None:
    """Give the log-odds that the step of an answer is acceptable; ``None`` where they aren't known.

    ``steps`` are those of each ``dataset function``. They aren't known where no step was read, where the provider gave no
    logprobs with alternatives, where the case wants several steps at once, or where the step's name doesn't stand in the text.
    """
    parsed, done, known = result.parsed, result.completion, steps.get(f"{result.dataset} {result.function}")
    if done is None or parsed is None or parsed.step is None or note is None or note.together is not None or known is None:
        return None
    return log_odds(done, parsed.step.intent, {name: name in note.expect for name in known})


def log_odds(done: Completion, picked: str, acceptable: Mapping[str, bool]) -> float | None:
    """Give the log-odds of acceptable steps: of all ways in which the name of the step might have been written.

    ``acceptable`` says of each step whether it is. At each token of the name that was written, each other token that was
    likely there leads to the steps whose names begin so: their probability counts for acceptable steps or for the others,
    and not at all where both begin so, or none. From there on a name is taken to be finished.
    """
    written = _find(done, picked)
    if written is None or done.alternatives is None:
        return None
    names = {name + written.after: right for name, right in acceptable.items()}
    found: dict[bool, list[float]] = {True: [], False: []}
    path = 0.0
    for place, lead, before, token, value in written.tokens:
        for other, likely in done.alternatives.get(place, ()):
            if other != token and other.startswith(lead):
                rights = {right for name, right in names.items() if _agree(name, before + other.removeprefix(lead))}
                if len(rights) == 1:
                    found[rights.pop()].append(path + likely)
        path += value
    found[acceptable.get(picked, False)].append(path)
    return round(max(-LIMIT, min(LIMIT, _log_sum(found[True]) - _log_sum(found[False]))), 4) + 0.0


def without_others(done: Completion, picked: str | None) -> Completion:
    """Give an answer without the alternatives to tokens other than those of the name of the step: nine tenths of its bytes."""
    if not done.alternatives:
        return done
    written = _find(done, picked) if picked is not None else None
    places = {token.place for token in written.tokens} if written else set()
    return done.model_copy(
        update={"alternatives": {place: done.alternatives[place] for place in done.alternatives if place in places}}
    )


class _Token(NamedTuple):
    """A token of a name: its place in the answer, what it says before the name begins, and what of the name stands before it."""

    place: int
    lead: str
    before: str
    text: str
    value: float


class _Written(NamedTuple):
    """A name in an answer: its tokens, the one that ends it among them, and the character after it."""

    tokens: list[_Token]
    after: str


def _find(done: Completion, name: str) -> _Written | None:
    """Find the name of a step in an answer: in quotation marks if there, else as a word."""
    if not done.logprobs:
        return None
    text = "".join(token for token, _ in done.logprobs)
    place = re.search(rf'(?<="){re.escape(name)}(?=")', text) or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    if place is None:
        return None
    begin, end = place.span()
    tokens, start = [], 0
    for number, (token, value) in enumerate(done.logprobs):
        if start <= end and start + len(token) > begin:
            tokens.append(_Token(number, text[start:begin], text[begin:start], token, value))
        start += len(token)
    return _Written(tokens, text[end : end + 1])


def _agree(name: str, written: str) -> bool:
    """Tell whether what is written is the beginning of a name, or begins with it."""
    return name.startswith(written) or written.startswith(name)


def _log_sum(values: Collection[float]) -> float:
    """Add probabilities, all by their logarithms."""
    most = max(values, default=-math.inf)
    return most + math.log(sum(math.exp(value - most) for value in values)) if values else -math.inf
