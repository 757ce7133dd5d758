"""Scorers that the user owns: ``file.py:function`` in a suite. ``docs/scorers.md`` is the contract.

They are loaded and checked before anything is asked. While a run goes on nothing that they do can lose an answer: a scorer
that raises, or returns something that is no score, gives no value and a reason that says so.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from phrasing import user_code
from phrasing.errors import SuiteError, shorten, unknown
from phrasing.scores import NAMES, find
from phrasing.suite.file import SuiteFile
from phrasing.types import LABELS, SCORER_FAILED, Case, Completion, Parsed, Score
from phrasing.user_code import CodeError

PARAMETERS = "(case, step, answer)"

_COLUMNS = (
    "trial dataset case group turn tags strength function edit format output model variant repeat error "
    "expected expected_arguments chosen chosen_arguments form stage marks reason tokens "
    "tokens_instructions tokens_schema tokens_examples tokens_thread tokens_question tokens_framing tokens_spread "
    "prompt_tokens answer_tokens cached_tokens reasoning_tokens latency first_byte first_token cost attempts finish_reason "
    "emulated unread logprob at answer tool_calls run n trials errors "
    "intent_low intent_high correct_low correct_high disagreement all_right forbidden_k forbidden_n forbidden_high "
    "prompt_ratio seconds truncated text_calls text_steps several_steps json_answers extra_arguments "
    "no_model_random no_model_majority no_model_bigram no_model_words "
    "gain_over_chance gain_over_chance_low gain_over_chance_high "
    "conversation conversation_low conversation_high conversation_n conversation_steps "
    # inside, with stored names
    "cluster step_low step_high harm_k harm_n harm_high random majority bigram words"
)
RESERVED = frozenset(_COLUMNS.split())
"""Columns of the tables of trials and variants: a score of this name would hide one."""

_ENTRY = re.compile(r"(?P<file>[^:]+\.py):(?P<function>[A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class UserScorer:
    """A scorer, loaded. ``file`` is its path in the project, ``digest`` the file's SHA-256."""

    name: str
    file: str
    digest: str
    function: Callable[[dict[str, Any], dict[str, Any] | None, str], object]


# ---------------------------------------------------------------------------------------------- loading


def load(file: SuiteFile, entries: Iterable[str]) -> dict[str, UserScorer]:
    """Load what a suite names, by the function's name. Raises ``SuiteError`` with the suite's line where one is wrong."""
    found: dict[str, UserScorer] = {}
    modules: dict[str, tuple[ModuleType, str]] = {}
    for i, entry in enumerate(entries):
        try:
            path, name = _split(entry)
            if name in found:
                raise ValueError(f"{name!r} is named twice; scores go by the function's name")
            if path not in modules:
                modules[path] = _module(file.root, path)
            module, digest = modules[path]
            found[name] = UserScorer(name, path, digest, _function(module, path, name))
        except ValueError as error:
            raise SuiteError(f"scorers.{i}: {error}", where=file.where("scorers", i)) from None
    return found


def _split(entry: str) -> tuple[str, str]:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(f"{entry!r} is no scorer; wanted file.py:function, such as evals/scorers.py:mentions_ticket")
    path, name = PurePosixPath(match["file"]), match["function"]
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{match['file']!r} lies outside the project; wanted a path from its root")
    if find(name):
        raise ValueError(f"{name!r} is a score that is built in ({', '.join(NAMES)}); give the function another name")
    if name in RESERVED:
        raise ValueError(f"{name!r} is a column of the tables; give the function another name")
    return str(path), name


def _module(root: Path, file: str) -> tuple[ModuleType, str]:
    path = root / file
    try:
        source = path.read_bytes()
    except OSError as error:
        if path.exists():
            raise ValueError(f"{file} can't be read: {error.strerror}") from None
        there = [str(PurePosixPath(file).parent / known.name) for known in path.parent.glob("*.py")]
        raise ValueError(unknown("file", file, there)) from None
    try:
        return user_code.load(path, source, project=root), hashlib.sha256(source).hexdigest()
    except CodeError as error:
        raise ValueError(f"{error.where(Path(file))}: {error}") from None


def _function(module: ModuleType, file: str, name: str) -> Callable[..., object]:
    function = getattr(module, name, None)
    if function is None:
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        raise ValueError(f"{file}: {unknown('function', name, own)}")
    if not callable(function):
        raise ValueError(f"{file}: {name} is no function, but {shorten(repr(function), 60)}")
    if inspect.iscoroutinefunction(function):
        raise ValueError(f"{file}: {name} is async; a scorer answers at once, from what it is given")
    try:
        signature = inspect.signature(function)
        signature.bind({}, None, "")
    except TypeError:
        raise ValueError(f"{file}: {name} takes {signature}; wanted {PARAMETERS}") from None
    return function  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------- scoring


def score(scorers: Mapping[str, UserScorer], case: Case, parsed: Parsed, completion: Completion) -> dict[str, Score]:
    """Score one answer with each of the user's scorers. Never raises, whatever they do."""
    return {name: _score(scorer, case, parsed, completion) for name, scorer in scorers.items()}


def _score(scorer: UserScorer, case: Case, parsed: Parsed, completion: Completion) -> Score:
    # Dumped anew for each, so that one which changes what it got harms no other.
    step = parsed.step.model_dump(mode="json") if parsed.step else None
    try:
        return _read(scorer.function(_line(case), step, completion.text))
    except (Exception, SystemExit) as error:
        try:
            return _failed(f"{type(error).__name__}: {error}")
        except Exception:  # its text may fail as well
            return _failed(type(error).__name__)


def _line(case: Case) -> dict[str, Any]:
    """Give a case as its line has it, with the defaults of what is left out; ``only`` isn't stored where it is false."""
    line = case.model_dump(mode="json")
    for key in (*LABELS, "forbid"):
        for label in line.setdefault(key, []):
            label.setdefault("only", False)
    return line


def _read(returned: object) -> Score:
    """Make a score of what a scorer returned."""
    value, reason = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, "")
    if not isinstance(reason, str):
        return _failed(f"returned the reason {reason!r}; wanted a text")
    if value is None:
        return Score(reason=_text(reason))
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return Score(value=float(value), reason=_text(reason))
    return _failed(f"returned {value!r}; wanted a number from 0 to 1, True, False or None, alone or as (value, reason)")


def _failed(what: str) -> Score:
    return Score(reason=SCORER_FAILED + _text(what))


def _text(text: str) -> str:
    """Fold and cut a text; half a character in it couldn't be stored."""
    return shorten(text.encode("utf-8", "replace").decode("utf-8"))
