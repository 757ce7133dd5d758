"""The suite: one question, as a YAML file of plain names. Unknown keys are refused with the known ones listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from phrasing.errors import SuiteError, shorten, unknown
from phrasing.types import NO_EDIT, Output, Record

AXES = ("function", "edit", "format", "output", "model")
"""What an arm is made of, by the names that ``baseline`` and ``where`` use."""

LOCAL = "local/"
"""What the ids of embedded models begin with."""

_KEY_NAME = re.compile(r"(?i)(api[-_]?key|secret|password|authorization|access[-_]?token|bearer)$")
_KEY_VALUE = re.compile(r"\b((sk|pk|rk|gsk|xai|hf|ghp)[-_]|AIza)[A-Za-z0-9_-]{16,}")


RESERVED_PARAMS = frozenset(
    {"model", "messages", "tools", "tool_choice", "functions", "response_format", "n", "stream", "timeout", "num_retries"}
    | {"max_retries", "drop_params", "fallbacks", "api_base", "base_url", "api_key", "headers", "extra_headers"}
)
"""What ``params`` of a model may not set: it is decided elsewhere, changes the shape of the answer, or could hold a key."""


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name given twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is named twice")
    return names


class Price(Record):
    """US dollars for a million tokens."""

    prompt: float = Field(ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)


class ModelSpec(Record):
    """A model as a suite names it. ``label`` is what tables show; left out, it is the last part of ``id``.

    ``params`` go to the model as they are. ``rpm`` (requests a minute) and ``jobs`` (requests at a time) hold it back.
    ``api_base`` is the URL of an OpenAI-compatible endpoint, ``api_key_env`` the variable that holds its key, ``price`` what the
    model costs where the price map doesn't know.
    """

    label: str = Field(pattern=r"^[^\[\],#\s]+$")
    id: str = Field(pattern=r"^\S+$")
    params: dict[str, JsonValue] = {}
    api_base: str | None = Field(default=None, pattern=r"^https?://\S+$")
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    rpm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    jobs: int | None = Field(default=None, ge=1)
    price: Price | None = None

    @model_validator(mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("id"), str) and value.get("label") is None:
            return {**value, "label": value["id"].rstrip("/").rpartition("/")[2]}
        return value

    @field_validator("params")
    @classmethod
    def _params(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name in value:
            if name in RESERVED_PARAMS:
                raise ValueError(f"{name!r} can't be set here")
        return value


class Agent(Record):
    """A dataset with the functions that answer it.

    ``tags``: only cases with one of these. ``sample``: this many of them, drawn by the suite's seed as ``sampling.draw`` says.
    ``text`` is the step that an answer in text stands for, under output ``tool_auto``. ``examples`` names cases of the dataset
    that are shown, with their answers, to the functions that take examples.
    """

    dataset: str
    functions: tuple[str, ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()
    sample: int | None = Field(default=None, ge=1)
    text: str | None = None
    examples: tuple[str, ...] = ()

    @field_validator("examples")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value)


MEASURES = ("tokens", "prompt_tokens", "answer_tokens", "cost")
"""What a case costs: our own count of its prompt, the provider's of prompt and answer, and US dollars."""


class Comparing(Record):
    """How arms are compared.

    ``score`` is what decides. An arm is *not worse* than its baseline if it loses less than ``margin`` (of 1). ``confidence`` is
    that of intervals and verdicts. ``discordance`` is the share of cases on which arms are guessed to differ, and ``detect`` the
    difference one would want to see: they say before a run how many cases it needs.
    """

    score: str = "step"
    margin: float = Field(default=0.02, gt=0, lt=1)
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    discordance: float = Field(default=0.2, gt=0, le=1)
    detect: float = Field(default=0.05, gt=0, le=1)

    @field_validator("score")
    @classmethod
    def _score(cls, value: str) -> str:
        if value == "harm":
            raise ValueError("harm is held by a gate with max: too few cases are harmful to compare")
        return value


class Requirement(Record):
    """A gate: what an arm must hold, for every arm that ``where`` matches. One of four kinds.

    ``min`` and ``max`` bound a value: the mean of a score, or of ``MEASURES`` a case. ``margin``: the score isn't lower than that
    of ``against`` by as much. ``within``: it differs by less, in either direction. ``max_ratio``: at most so many times the total
    of ``against``. ``against`` is the suite's ``baseline``, or ``recorded``: the same arm in the committed recording. With
    ``confidence`` the interval decides, one-sided, and a gate can be undecided; ``margin`` and ``within`` always do so, at 0.95.
    """

    score: str
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    margin: float | None = Field(default=None, gt=0, lt=1)
    within: float | None = Field(default=None, gt=0, lt=1)
    max_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    confidence: float | None = Field(default=None, gt=0.5, lt=1)
    against: Literal["baseline", "recorded"] = "baseline"
    where: dict[Literal["function", "edit", "format", "output", "model"], str] = {}

    @model_validator(mode="after")
    def _kind(self) -> Self:
        kinds = [name for name in ("margin", "within", "max_ratio") if getattr(self, name) is not None]
        if self.min is not None or self.max is not None:
            kinds.append("min and max")
        if len(kinds) != 1:
            found = f", not {' and '.join(kinds)}" if kinds else ""
            raise ValueError(f"needs min or max, or one of margin, within, max_ratio{found}")
        ratio = self.score in MEASURES
        if ratio != (self.max_ratio is not None) and kinds != ["min and max"]:
            raise ValueError(f"max_ratio is for {', '.join(MEASURES)}; margin and within are for scores, not for {self.score!r}")
        if self.score == "harm" and kinds != ["min and max"]:
            raise ValueError("harm is held by max: too few cases are harmful to compare")
        if not ratio and any(bound is not None and not 0 <= bound <= 1 for bound in (self.min, self.max)):
            raise ValueError(f"{self.score} lies from 0 to 1, so its min and max do too")
        if self.against == "recorded" and kinds == ["min and max"]:
            raise ValueError("min and max compare with nothing, so against says nothing")
        return self


class Suite(Record):
    """A suite as it is written. ``docs/concepts.md`` explains every key."""

    description: str = Field(pattern=r"\?\s*$")
    agents: tuple[Agent, ...] = Field(min_length=1)
    edits: tuple[str, ...] = Field(default=(NO_EDIT,), min_length=1)
    formats: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[Output, ...] = ("prompted",)
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    baseline: dict[Literal["function", "edit", "format", "output", "model"], str] = {}
    params: dict[str, JsonValue] = {}
    repeats: int = Field(default=1, ge=1)
    compare: Comparing = Comparing()
    require: tuple[Requirement, ...] = ()
    undecided: Literal["pass", "fail"] = "fail"
    scorers: tuple[str, ...] = ()
    seed: int = 0
    seeds: Literal["paired", "independent"] = "paired"
    tokenizer: str = "o200k_base"
    baml_src: str = "baml_src"

    @field_validator("models", mode="before")
    @classmethod
    def _short_models(cls, value: Any) -> Any:
        return [{"id": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value

    @field_validator("params")
    @classmethod
    def _params(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name in RESERVED_PARAMS.intersection(value):
            raise ValueError(f"{name!r} can't be set here")
        return value

    @field_validator("edits", "formats", "outputs")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value)

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        labels = [model.label for model in self.models]
        names = [f"{agent.dataset} with {function}" for agent in self.agents for function in agent.functions]
        for what, listed in (("models", labels), ("agents", names)):
            for item in listed:
                if listed.count(item) > 1:
                    hint = "; give each a label of its own" if what == "models" else ""
                    raise ValueError(f"{what}: {item!r} is named twice{hint}")
        return self

    @property
    def scorer_names(self) -> tuple[str, ...]:
        """What the scores of the user's own scorers are called: their functions' names."""
        return tuple(entry.rpartition(":")[2] for entry in self.scorers)


@dataclass(frozen=True)
class SuiteFile:
    """A suite with the file it came from. ``root`` is the project: the folder that holds ``formats/`` and ``datasets/``.

    Where the files are those of a git revision, ``commit`` is its hash, and ``home`` the project that runs and keys belong to.
    """

    path: Path
    root: Path
    suite: Suite
    commit: str | None = None
    home: Path | None = None

    @property
    def name(self) -> str:
        """The file's stem."""
        return self.path.stem

    @property
    def runs(self) -> Path:
        """Where runs of the suite are kept."""
        return (self.home or self.root) / "runs"

    def requiring(self, gates: Iterable[str]) -> Self:
        """Give the same suite with the gates of the command line too."""
        more = requirements(gates)
        return replace(self, suite=self.suite.model_copy(update={"require": (*self.suite.require, *more)})) if more else self

    def where(self, *keys: str | int) -> str:
        """Name the file and the line at which a key stands, for an error."""
        return _where(self.path, self.path.read_text("utf-8"), keys)


def load(path: Path) -> SuiteFile:
    """Read a suite. Raises ``SuiteError`` with file, line, value and choices."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        near = sorted(file.stem for file in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        listed = f"; there are: {', '.join(near)}" if near else ""
        raise SuiteError(f"can't be read: {error.strerror}{listed}", where=str(path)) from None
    except UnicodeDecodeError:
        raise SuiteError("isn't UTF-8", where=str(path)) from None
    try:
        raw = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SuiteError(f"isn't YAML: {error.problem}", where=f"{path}:{line}") from None
    except yaml.YAMLError as error:
        raise SuiteError(f"isn't YAML: {shorten(str(error))}", where=str(path)) from None
    if not raw:
        raise SuiteError("is empty; a suite needs description, agents, formats and models", where=str(path))
    for keys in _secrets(raw):
        raise SuiteError(
            f"{'.'.join(map(str, keys))} looks like a key; keys come from the environment or .env, "
            "and api_key_env names the variable",
            where=_where(path, text, keys),
        )
    try:
        suite = Suite.model_validate(raw)
    except ValidationError as error:
        keys, message = _explain(error, raw)
        raise SuiteError(message, where=_where(path, text, keys)) from None
    return SuiteFile(path, find_root(path), suite)


def requirements(texts: Iterable[str]) -> tuple[Requirement, ...]:
    """Read gates as the command line gives them: what stands between the braces in a suite. Raises ``SuiteError``."""
    read = []
    for text in texts:
        try:
            raw = yaml.load("{" + text + "}", Loader=_Loader)
            read.append(Requirement.model_validate(raw))
        except yaml.YAMLError:
            raise SuiteError(f"--require {text!r} isn't a gate such as 'score: step, min: 0.9'") from None
        except ValidationError as error:
            raise SuiteError(f"--require {text!r}: {_explain(error, raw, Requirement)[1]}") from None
    return tuple(read)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key written twice: plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    shown = "a key" if _KEY_VALUE.search(key.value) else f"key {key.value!r}"
                    raise yaml.MarkedYAMLError(problem=f"{shown} is written twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def find_root(path: Path) -> Path:
    """Find the project of a suite, whether that is there or not: the nearest folder above it with formats/ or datasets/."""
    for folder in path.absolute().parents:
        if (folder / "formats").is_dir() or (folder / "datasets").is_dir():
            here = Path.cwd()
            return folder.relative_to(here) if folder.is_relative_to(here) else folder
    return path.parent


def _secrets(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and _KEY_VALUE.search(key):
                yield (*keys, "<hidden>")
            elif isinstance(key, str) and _KEY_NAME.search(key):
                yield (*keys, key)
            yield from _secrets(item, (*keys, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _secrets(item, (*keys, i))
    elif isinstance(value, str) and _KEY_VALUE.search(value):
        yield keys


_WANTED = {"tuple_type": "wanted a list", "too_short": "wanted at least one", "model_type": "wanted keys with values"}


def _explain(error: ValidationError, raw: Any, root: type[Record] = Suite) -> tuple[tuple[str | int, ...], str]:
    """Say in one line what pydantic found first, with the key's path; a misspelt key before the one that is missing for it."""
    errors = error.errors(include_url=False)
    first = next((found for found in errors if found["type"] == "extra_forbidden"), errors[0])
    keys = tuple(key for key in first["loc"] if key != "[key]")
    named = keys[:-1] if first["type"] == "extra_forbidden" or "[key]" in first["loc"] else keys
    prefix = f"{'.'.join(map(str, named))}: " if named else ""
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            return keys, prefix + unknown("key", str(keys[-1]), _known(keys[:-1], root))
        case "missing":
            return keys[:-1], f"{prefix}missing"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            return keys, prefix + unknown("value" if "[key]" not in first["loc"] else "key", str(first["input"]), choices)
        case "value_error":
            return keys, f"{prefix}{context['error']}"
        case "string_pattern_mismatch" if keys == ("description",):
            return keys, f"description: {shorten(repr(first['input']), 80)} is no question; a suite asks one, ending in '?'"
        case _:
            return keys, f"{prefix}{_WANTED.get(first['type'], first['msg'])}, got {shorten(repr(first['input']), 80)}"


def _known(keys: tuple[str | int, ...], root: type[Record]) -> list[str]:
    """List the keys that may stand at a place in a suite."""
    places: dict[str, type[Record]] = {
        "agents": Agent,
        "models": ModelSpec,
        "price": Price,
        "compare": Comparing,
        "require": Requirement,
    }
    names = [key for key in keys if isinstance(key, str)]
    return list((places[names[-1]] if names else root).model_fields)


def _where(path: Path, text: str, keys: tuple[str | int, ...]) -> str:
    """Find the line of a key in the YAML, or of the nearest key above it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = (node.value[key], node.value[key])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return f"{path}:{line + 1}"
