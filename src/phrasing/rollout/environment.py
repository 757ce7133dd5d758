"""Environments: the world that an agent acts in, mostly a file of the user's that imports nothing of ours.

``environments/<name>.py`` defines ``open(task, seed)``, which gives the state of the world before the first step,
``advance(state, inputs, now)``, which gives what inputs do, and ``success(effects, state, goal)``, which judges a run. All is
JSON, and the same arguments give the same result: so a run can be done again from its inputs, which is how one that was cut short
goes on. ``docs/rollouts.md`` is the contract. Environments that somebody else wrote are in ``packaged``.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from phrasing import user_code
from phrasing.errors import UserError, shorten, unknown
from phrasing.records import Outcome
from phrasing.score.user import RESERVED
from phrasing.scores import NAMES, ROLLOUT_SCORES, STORED
from phrasing.suite.dataset import MAX_DEPTH, UNKNOWN_KEY, check_json
from phrasing.suite.tasks import Task
from phrasing.types import EVENT_TYPE, Event, Record, canonical_json
from phrasing.user_code import CodeError, TookTooLong

FOLDER = "environments"
"""The folder of a project's environments."""

SUCCESS = "success"
"""The score that every environment gives."""

Input = dict[str, JsonValue]
"""What an environment takes in: ``kind`` says whether it is a ``step``, an ``answer``, something ``due`` or a ``message``."""

Status = Literal["running", "waiting", "turn_over", "over"]
"""What an agent has to do now: its next step; nothing, until something comes; nothing, as it is done for now; nothing any
more."""

_TAKEN = RESERVED.union(Outcome.model_fields, NAMES, STORED, (score.name for score in ROLLOUT_SCORES))
"""What no score of an environment may be called."""

_SIGNATURES = {"open": "(task, seed)", "advance": "(state, inputs, now)", "success": "(effects, state, goal)"}


class EnvironmentFailed(Exception):
    """An environment did what its contract doesn't allow; the message names its file and line, and what was wanted."""


class Effect(Record):
    """Something that happened in the world, whether or not the agent is shown it."""

    type: str = Field(pattern=EVENT_TYPE)
    data: JsonValue = None


class Due(Record):
    """What comes back as an input, ``after`` so many seconds of virtual time."""

    after: float = Field(ge=0, allow_inf_nan=False)
    data: JsonValue = None


class Turn(Record):
    """What inputs did: ``effects`` in the world, ``events`` that the agent is shown, what is ``due`` later, which calls ``asks``
    somebody, and what the agent has to do now.
    """

    state: dict[str, JsonValue]
    effects: tuple[Effect, ...] = ()
    events: tuple[Event, ...] = ()
    due: tuple[Due, ...] = ()
    asks: tuple[str, ...] = ()
    status: Status = "running"


class World(Protocol):
    """A run of an environment: all effects so far, and what inputs do next. ``why`` is why it is no success, once it is judged;
    empty where nobody says."""

    effects: list[Effect]
    why: str

    @property
    def environment(self) -> Environment:
        """What it is a run of."""

    def advance(self, inputs: Sequence[Input], now: float) -> Turn:
        """Take inputs in. Raises ``EnvironmentFailed``."""

    def judge(self, goal: JsonValue) -> dict[str, float]:
        """Judge what happened so far: ``success`` and the environment's other scores, each from 0 to 1.

        Raises ``EnvironmentFailed``.
        """

    def check(self) -> None:
        """Hold that all this comes of the same inputs when it is done again. Raises ``EnvironmentFailed``."""

    def close(self) -> None:
        """Give back what it holds; nothing is asked of it afterwards."""


class Environment(Protocol):
    """An environment, loaded."""

    @property
    def name(self) -> str:
        """What a suite calls it."""

    @property
    def shown(self) -> str:
        """Where it is from."""

    @property
    def digest(self) -> str:
        """The SHA-256 of what decides what it does."""

    @property
    def scores(self) -> tuple[str, ...]:
        """What it judges beside success."""

    @property
    def effects(self) -> tuple[str, ...] | None:
        """The types of its effects; ``None``: it doesn't say."""

    @property
    def once(self) -> Mapping[str, tuple[str, ...]]:
        """The types of effects that should happen once, each with the fields by which one is the same."""

    def world(self, task: Task, seed: int) -> World:
        """Begin a run. Raises ``EnvironmentFailed``."""

    def failed(self, function: str, what: str) -> EnvironmentFailed:
        """Make the error that says where it did what isn't allowed."""


_JSON: TypeAdapter[Any] = TypeAdapter(JsonValue)


@dataclass(frozen=True)
class EnvironmentFile:
    """An environment that is a file of the user's, which names ``SCORES``, ``EFFECTS`` and what should happen ``ONCE``."""

    name: str
    path: Path
    digest: str
    module: ModuleType = field(repr=False)
    scores: tuple[str, ...] = ()
    effects: tuple[str, ...] | None = None
    once: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    time_limit: float = user_code.TIME_LIMIT

    def call(self, function: str, *arguments: Any) -> Any:
        """Call one of its functions with copies of JSON arguments, and give the JSON that it returns.

        Raises ``EnvironmentFailed`` where it raises, changes what it was given, or returns what isn't JSON.
        """
        given = [canonical_json(argument) for argument in arguments]
        copies = [json.loads(text) for text in given]
        try:
            with user_code.within(self.time_limit):
                returned = getattr(self.module, function)(*copies)
        except TookTooLong:
            raise self.failed(function, f"took longer than {self.time_limit:g} s (TIME_LIMIT)") from None
        except Exception as error:
            raised = user_code.raised(self.path, error)
            raise EnvironmentFailed(f"{raised.where(self.path)}: {function} {raised}") from None
        for name, text, copy in zip(_SIGNATURES[function].strip("()").split(", "), given, copies, strict=True):
            if _text(copy) != text:
                raise self.failed(function, f"changed its argument {name}; it has to make another (copy.deepcopy)")
        try:
            value = _JSON.validate_python(returned, strict=True)
            check_json(value, json.dumps(value, allow_nan=False))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f".{part}" for part in first["loc"] if part not in ("dict", "list"))
            what = shorten(repr(first["input"]), 60)
            raise self.failed(function, f"returned what isn't JSON: {what}{f' at {place}' if place else ''}") from None
        except (ValueError, RecursionError) as error:
            why = f"nested more than {MAX_DEPTH} deep" if isinstance(error, RecursionError) else str(error)
            raise self.failed(function, f"returned what isn't JSON: {why}") from None
        return value

    def failed(self, function: str, what: str) -> EnvironmentFailed:
        """Make the error that names the file and the line of a function."""
        line = getattr(self.module, function).__code__.co_firstlineno
        return EnvironmentFailed(f"{self.path}:{line}: {function} {what}")

    @property
    def shown(self) -> str:
        """Where it is from."""
        return str(self.path)

    def world(self, task: Task, seed: int) -> FileWorld:
        """Begin a run. Raises ``EnvironmentFailed``."""
        return FileWorld(self, task, seed)


def _text(value: Any) -> str:
    try:
        return canonical_json(value)
    except (TypeError, ValueError, RecursionError):
        return ""


class FileWorld:
    """A run of a file's environment: its state, and all effects so far. Its file doesn't say why it judges as it does."""

    why = ""

    def __init__(self, environment: EnvironmentFile, task: Task, seed: int) -> None:
        self.environment = environment
        self._opened = (task.model_dump(mode="json"), seed)
        self._inputs: list[tuple[list[Input], float]] = []
        state = environment.call("open", *self._opened)
        if not isinstance(state, dict):
            raise environment.failed("open", f"returned {shorten(repr(state), 60)}; wanted the state of the world, an object")
        self.state: dict[str, JsonValue] = state
        self.effects: list[Effect] = []

    def advance(self, inputs: Sequence[Input], now: float) -> Turn:
        """Take inputs in. Raises ``EnvironmentFailed``."""
        self._inputs.append((list(inputs), now))
        turn = read_turn(self.environment, self.environment.call("advance", self.state, list(inputs), now))
        if (known := self.environment.effects) is not None:
            for effect in turn.effects:
                if effect.type not in known:
                    raise self.environment.failed("advance", f"returned an effect that isn't in EFFECTS: {effect.type!r}")
        self.state = turn.state
        self.effects += turn.effects
        return turn

    def check(self) -> None:
        """Hold that all this comes of the same inputs when it is done again. Raises ``EnvironmentFailed``."""
        state = self.environment.call("open", *self._opened)
        effects: list[object] = []
        for inputs, now in self._inputs:
            turn = self.environment.call("advance", state, inputs, now)
            state, effects = turn["state"], [*effects, *turn.get("effects", [])]
        if state != self.state or effects != [effect.model_dump(mode="json", exclude_unset=True) for effect in self.effects]:
            what = "isn't the same when it is done again with the same task, seed and inputs; draw from the seed alone"
            raise self.environment.failed("open" if not self._inputs else "advance", what)

    def judge(self, goal: JsonValue) -> dict[str, float]:
        """Judge what happened so far: ``success`` and the environment's other scores, each from 0 to 1.

        Raises ``EnvironmentFailed``.
        """
        effects = [effect.model_dump(mode="json") for effect in self.effects]
        returned = self.environment.call("success", effects, self.state, goal)
        return read_scores(self.environment, returned)

    def close(self) -> None:
        """It holds nothing."""


def read_turn(environment: Environment, returned: Any) -> Turn:
    """Read what ``advance`` returned. Raises ``EnvironmentFailed``."""
    try:
        return Turn.model_validate_json(canonical_json(returned), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        first = next((found for found in errors if found["type"] in UNKNOWN_KEY), errors[0])
        place = ".".join(map(str, first["loc"])) or "what it returned"
        what = "isn't one of its keys" if first["type"] in UNKNOWN_KEY else str(first["msg"]).lower()
        message = f"returned something else than wanted: {place}: {what}, got {shorten(repr(first['input']), 60)}"
        raise environment.failed("advance", message) from None


def read_scores(environment: Environment, returned: Any) -> dict[str, float]:
    """Read what ``success`` returned. Raises ``EnvironmentFailed``."""
    found = returned if isinstance(returned, dict) else {SUCCESS: returned}
    wanted = {SUCCESS, *environment.scores}
    if found.keys() != wanted:
        listed = ", ".join([SUCCESS, *environment.scores])
        what = f"gave the scores {', '.join(sorted(found)) or 'none'}; wanted {listed} (SCORES names those beside success)"
        raise environment.failed("success", what)
    for name, value in found.items():
        if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
            raise environment.failed("success", f"gave {value!r} for {name}; wanted True, False or a number from 0 to 1")
    return {name: float(value) for name, value in found.items()}


def available(folder: Path) -> dict[str, Path]:
    """List the environments of a folder by name. Files that begin with ``_`` or ``.`` are none."""
    return {path.stem: path for path in sorted(folder.glob("*.py")) if path.name[0] not in "_."}


def load(project: Path, name: str) -> EnvironmentFile:
    """Load an environment of a project. Raises ``ValueError`` for a name that isn't there, ``UserError`` where its file is
    wrong."""
    paths = available(project / FOLDER)
    if name not in paths:
        raise ValueError(unknown("environment", name, paths))
    path = paths[name]
    source = path.read_bytes()
    try:
        module = user_code.load(path, source, project=project)
        limit = user_code.time_limit(path, module)
    except CodeError as error:
        raise UserError(str(error), where=error.where(path)) from error
    for function, signature in _SIGNATURES.items():
        _check_function(path, module, function, signature)
    scores, effects = _names(path, module, "SCORES"), _names(path, module, "EFFECTS")
    if SUCCESS in (scores or ()):
        raise UserError(f"SCORES names those beside {SUCCESS!r}, which every environment gives", where=str(path))
    for score in scores or ():
        if score in _TAKEN:
            raise UserError(f"SCORES: {score!r} is a column of the tables; give the score another name", where=str(path))
    once = _fields(path, module, effects)
    return EnvironmentFile(name, path, hashlib.sha256(source).hexdigest(), module, scores or (), effects, once, limit)


def _check_function(path: Path, module: ModuleType, name: str, signature: str) -> None:
    function = getattr(module, name, None)
    if not inspect.isfunction(function):
        raise UserError(f"defines no function {name}{signature}", where=str(path))
    try:
        inspect.signature(function).bind(*signature.strip("()").split(", "))
    except TypeError:
        where = f"{path}:{function.__code__.co_firstlineno}"
        raise UserError(f"{name} takes {inspect.signature(function)}; wanted {signature}", where=where) from None


def _names(path: Path, module: ModuleType, constant: str) -> tuple[str, ...] | None:
    found = getattr(module, constant, None)
    if found is None:
        return None
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) and name.isidentifier() for name in found):
        raise UserError(f"{constant} has to be a list of names, got {shorten(repr(found), 60)}", where=str(path))
    return tuple(dict.fromkeys(found))


def _fields(path: Path, module: ModuleType, effects: tuple[str, ...] | None) -> dict[str, tuple[str, ...]]:
    """Read ``ONCE``: types of effects, each with the names of fields."""
    found = getattr(module, "ONCE", {})
    listed = isinstance(found, dict) and all(
        isinstance(fields, list | tuple) and all(isinstance(name, str) for name in fields) for fields in found.values()
    )
    if not listed:
        raise UserError('ONCE has to name fields by type of effect, such as {"deployed": ["service", "tag"]}', where=str(path))
    for name in found:
        if effects is not None and name not in effects:
            raise UserError(f"ONCE: {unknown('effect', name, effects)}", where=str(path))
    return {str(name): tuple(fields) for name, fields in found.items()}
