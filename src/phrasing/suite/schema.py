"""The suite: one question, in plain names. What a suite's file may say, and what of it goes together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from phrasing import scores
from phrasing.suite import functions, words
from phrasing.suite.outputs import check as check_output
from phrasing.suite.parameters import shown, varied
from phrasing.types import NO_EDIT, Axis, Output, Record

_Named = TypeVar("_Named", str, int)

RESERVED_PARAMS = frozenset(
    {"model", "messages", "tools", "tool_choice", "functions", "response_format", "n", "stream", "timeout", "num_retries"}
    | {"max_retries", "drop_params", "fallbacks", "api_base", "base_url", "api_key", "headers", "extra_headers"}
    | {"extra_query", "model_list", "model_alias_map", "context_window_fallback_dict", "deployment_id", "organization", "azure"}
    | {"callbacks", "success_callback", "failure_callback", "logger_fn", "guardrails", "mcp_servers", "prompt_id", "config"}
    | {"custom_llm_provider", "secret_fields", "proxy_server_request", "tenant_id", "use_litellm_proxy", "follow_redirects"}
    | {"ssl_verify", "shared_session", "data_residency", "allowed_openai_params", "auto_router_config_path"}
)
"""What ``params`` of a model may not set: it is decided elsewhere, changes the shape of the answer, or could hold a key."""

_STEERS = re.compile(
    r"(?i)^_|llm_provider|provider_specific_header|^(anthropic|arize|aws|azure|databricks|dd|gcs|gigachat|langfuse|langsmith|litellm|newrelic|oci|openai|s3|sagemaker"
    r"|signoz|vertex|watsonx|wx)[_-]"
    r"|(^|[_-])(base|clients?|credentials?|endpoint|headers?|host|location|password|port|project|proxy|region|secret|uri"
    r"|url|username)([_-](id|name|ref|key))?$"
    r"|(^|[_-])(api|access|ingestion|private|public|secret|space|zen)?[_-]?key(_id)?$"
    r"|(^|[_-])((access|ad|auth|identity|session)_)?token(_file)?$"
)
"""Parameters by which litellm would ask elsewhere, or with other credentials."""

_SAMPLING = frozenset({"prompt_cache_key", "bos_token", "eos_token", "add_bos_token"})
"""Parameters of models that look like those."""

_LABEL = re.compile(r"[^\[\],#\s]+")
"""What a model's label may be: it stands in addresses of trials."""

_DRIVE = re.compile(r"/[A-Za-z]://")
"""What is no address: the drive in the path of a model's file."""


def _params(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse parameters that aren't the model's. Some providers are sent what ``extra_body`` holds like the rest."""
    more = value.get("extra_body")
    for name in (*value, *(more if isinstance(more, dict) else ())):
        if name in RESERVED_PARAMS or (name not in _SAMPLING and _STEERS.search(name)):
            raise ValueError(f"{name!r} can't be set here")
    return value


def _once(names: tuple[_Named, ...]) -> tuple[_Named, ...]:
    """Refuse a name, or a number, given twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is named twice")
    return names


class Price(Record):
    """US dollars for a million tokens; ``cached`` are those of a prompt that a provider's cache already holds."""

    prompt: float = Field(ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class Timeouts(Record):
    """Seconds that an attempt may take: to connect, until the answer's first byte, and in all. ``None``: as long as in all.

    A suite may give one number, which is ``total``.
    """

    connect: float = Field(default=15.0, gt=0, allow_inf_nan=False)
    first_byte: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    total: float = Field(default=300.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        return {"total": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class ModelSpec(Record):
    """A model as a suite names it. ``label`` is what tables show; left out, it is the last part of ``id``. Where a
    suite has several of an id without one, the parameters on which they differ stand behind that.

    ``params`` go to the model as they are. ``rpm`` (requests a minute), ``tpm`` (tokens a minute) and ``jobs`` (requests at
    a time) hold it back.
    ``api_base`` is the URL of an OpenAI-compatible endpoint, ``api_key_env`` the variable that holds its key, ``price`` what the
    model costs where the price map doesn't know. ``stream``: its answers come as they are written. ``timeout`` are seconds.
    """

    label: str = Field(pattern=f"^{_LABEL.pattern}$")
    id: str = Field(pattern=r"^\S+$")
    params: dict[str, JsonValue] = {}
    api_base: str | None = Field(default=None, pattern=r"^https?://\S+$")
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    rpm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tpm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    jobs: int | None = Field(default=None, ge=1)
    price: Price | None = None
    stream: bool = False
    timeout: Timeouts = Timeouts()

    @model_serializer(mode="wrap")
    def _stored(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a model as it always was where it says nothing of streams, timeouts and tokens a minute."""
        model: dict[str, Any] = write(self)
        if self.tpm is None:
            model.pop("tpm", None)
        if not self.stream:
            model.pop("stream", None)
        if self.timeout == Timeouts():
            model.pop("timeout", None)
        return model

    @model_validator(mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("id"), str) and value.get("label") is None:
            return {**value, "label": _last(value["id"])}
        return value

    @field_validator("id")
    @classmethod
    def _no_address(cls, value: str) -> str:
        if "://" in _DRIVE.sub("/", value, count=1):  # some providers are asked at a URL that stands in the id
            raise ValueError(f"{value!r} holds an address; that is for api_base")
        return value

    @field_validator("params")
    @classmethod
    def _of_the_model(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return _params(value)


def _labelled(models: list[Any]) -> list[Any]:
    """Label models of one id that a suite doesn't: ``gpt-5(reasoning_effort=low)``, after the parameters on which they differ."""
    nameless = [i for i, item in enumerate(models) if isinstance(item, Mapping) and item.get("label") is None]
    asked = [(str(models[i].get("id")), params if isinstance(params := models[i].get("params"), dict) else {}) for i in nameless]
    labelled = list(models)
    for i, (id, _), differing in zip(nameless, asked, varied(asked), strict=True):
        said = ";".join(f"{name}={shown(value)}" for name, value in differing.items() if value is not None)
        if said and _LABEL.fullmatch(said):  # else the label is as it was, and one of them has to be given another
            labelled[i] = {**models[i], "label": f"{_last(id)}({said})"}
    return labelled


def _last(id: str) -> str:
    """Give the last part of a model's id."""
    return id.rstrip("/").rpartition("/")[2]


class Distractors(Record):
    """Tools of another agent that are added to the steps: ``counts`` of them, each with the smaller ones, drawn by ``seed``.

    ``tools`` is a file of the project. ``reviewed`` are tools whose name or description resembles a step's, and that are never
    right all the same; ``leave_out`` are tools that aren't added. ``docs/distractors.md`` explains every key.
    """

    tools: str = Field(min_length=1)
    counts: tuple[int, ...] = Field(min_length=1)
    seed: int = 0
    reviewed: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()

    @field_validator("counts")
    @classmethod
    def _numbers(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for count in value:
            if count < 0:
                raise ValueError(f"wanted numbers from 0 on, got {count}")
        return tuple(sorted(_once(value)))

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        _once((*dict.fromkeys(self.reviewed), *dict.fromkeys(self.leave_out)))
        return self


_FUNCTION_LABEL = re.compile(r"[A-Za-z0-9_-]+")


def _names(value: Any) -> tuple[str, ...]:
    """Give the names of functions. Raises ``ValueError`` for anything else."""
    if not (isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value)):
        raise ValueError(f"wanted the names of functions, got {value!r}")
    return tuple(value)


class Agent(Record):
    """A dataset, or tasks in an environment, with the functions that answer it, by label: a suite that lists functions calls each
    by its own name.

    Of several functions under one label each case is asked of one, which ``AgentPlan.function`` draws. ``tags``: only cases with
    one of these. ``min_steps``: only cases whose thread has so many steps with a result. ``sample``: this many of them, drawn by
    the suite's seed as ``sample.draw`` says. ``text`` is the step that an answer in text stands for, under output ``tool_auto``.
    ``examples`` names cases of the dataset that are shown, with their answers, to the functions that take examples. ``thread``
    names the parameter that a thread fills, ``arguments`` are the values of others: see ``docs/functions.md``. ``distractors``
    are tools added to the functions' steps. ``tasks`` names a file of tasks in place of a dataset, on which the agent is run to
    its end in an ``environment``: left out, the one of the same name. ``dataset`` has that name then.
    """

    dataset: str
    tasks: str | None = None
    environment: str | None = None
    functions: dict[str, tuple[str, ...]] = Field(min_length=1)
    tags: tuple[str, ...] = ()
    min_steps: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    text: str | None = None
    examples: tuple[str, ...] = ()
    thread: str | None = None
    arguments: dict[str, JsonValue] = {}
    distractors: Distractors | None = None

    @model_validator(mode="before")
    @classmethod
    def _either(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("tasks") is None:
            if isinstance(value, Mapping) and value.get("environment") is not None:
                raise ValueError("environment: is for tasks; a dataset has none")
            return value
        if value.get("dataset") is not None:
            raise ValueError("dataset: stands beside tasks; an agent has one of them")
        for name in ("examples", "min_steps", "text"):
            if value.get(name):
                raise ValueError(f"{name}: is for a dataset; tasks have no such thing")
        return {"environment": value["tasks"], **value, "dataset": value["tasks"]}

    @field_validator("functions", mode="before")
    @classmethod
    def _by_label(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return {name: (name,) for name in _once(_names(value))}
        if not isinstance(value, Mapping):
            raise ValueError(f"wanted a list of functions, or labels with one function or several each, got {value!r}")
        for label in value:
            if not (isinstance(label, str) and _FUNCTION_LABEL.fullmatch(label)):
                raise ValueError(f"{label!r} is no label; wanted letters, digits, - and _")
        return {label: _once(_names([names] if isinstance(names, str) else names)) for label, names in value.items()}

    @field_serializer("functions")
    def _listed(self, value: dict[str, tuple[str, ...]]) -> Any:
        return [*value] if all(names == (label,) for label, names in value.items()) else value

    @field_validator("examples")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value)

    @model_serializer(mode="wrap")
    def _stored(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write an agent as it always was where it says nothing of what came later."""
        agent: dict[str, Any] = write(self)
        for name in ("distractors", "min_steps", "tasks", "environment"):
            if getattr(self, name) is None:
                agent.pop(name, None)
        if self.tasks is not None:
            del agent["dataset"]
        return agent

    @property
    def asked(self) -> dict[str, tuple[str, ...]]:
        """The functions that are asked, by label: where there are distractors, each with each number of added tools."""
        counts = self.distractors.counts if self.distractors else ()
        if not counts:
            return self.functions
        added = functions.with_added
        return {
            added(label, count): tuple(added(name, count) for name in names)
            for label, names in self.functions.items()
            for count in counts
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The functions that are asked, by their own names, each once."""
        return tuple(dict.fromkeys(name for names in self.asked.values() for name in names))


DEFAULT_CONTROL = "talk"
"""The loop that agents run under, where a suite names no other."""

MEASURES = ("tokens", "prompt_tokens", "answer_tokens", "cost")
"""What a case costs: our own count of its prompt, the provider's of prompt and answer, and US dollars."""


class Comparing(Record):
    """How variants are compared.

    ``score`` is what decides. A variant is *not worse* than its baseline if it loses less than ``margin`` (of 1). ``confidence``
    is that of intervals and verdicts. ``discordance`` is the share of cases on which variants are guessed to differ, and
    ``detect`` the difference one would want to see: they say before a run how many cases it needs.
    """

    score: str = scores.CORRECT
    margin: float = Field(default=0.02, gt=0, lt=1)
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    discordance: float = Field(default=0.2, gt=0, le=1)
    detect: float = Field(default=0.05, gt=0, le=1)

    @field_validator("score")
    @classmethod
    def _score(cls, value: str) -> str:
        if value == scores.FORBIDDEN:
            raise ValueError("forbidden is held by a gate with max: too few cases have a forbidden step picked to compare")
        return value


class Requirement(Record):
    """A gate: what a variant must hold, for every variant that ``where`` matches. One of four kinds.

    ``min`` and ``max`` bound a value: the mean of a score, or of ``MEASURES`` a case. ``margin``: the score isn't lower than that
    of ``against`` by as much. ``within``: it differs by less, in either direction. ``max_ratio``: at most so many times the total
    of ``against``. ``against`` is the suite's ``baseline``, or ``recorded``: the same variant in the committed recording. With
    ``confidence`` the interval decides, and a gate can be inconclusive; that of ``margin`` and ``within`` always
    decides, at 0.95.
    """

    score: str
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    margin: float | None = Field(default=None, gt=0, lt=1)
    within: float | None = Field(default=None, gt=0, lt=1)
    max_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    confidence: float | None = Field(default=None, gt=0.5, lt=1)
    against: Literal["baseline", "recorded"] = "baseline"
    where: dict[Axis, str] = {}

    @model_validator(mode="after")
    def _kind(self) -> Self:
        kinds = [name for name in ("margin", "within", "max_ratio") if getattr(self, name) is not None]
        if self.min is not None or self.max is not None:
            kinds.append("min and max")
        if len(kinds) != 1:
            found = f", not {' and '.join(kinds)}" if kinds else ""
            raise ValueError(f"needs min or max, or one of margin, within, max_ratio{found}")
        self._check_score(bounded=kinds == ["min and max"])
        if self.against == "recorded" and kinds == ["min and max"]:
            raise ValueError("min and max compare with nothing, so against says nothing")
        return self

    def _check_score(self, *, bounded: bool) -> None:
        """Hold the score against the kind of gate: ``bounded`` by min and max, or a comparison."""
        ratio = self.score in MEASURES
        if ratio != (self.max_ratio is not None) and not bounded:
            name = scores.public(self.score)
            raise ValueError(f"max_ratio is for {', '.join(MEASURES)}; margin and within are for scores, not for {name!r}")
        if self.score == scores.FORBIDDEN and not bounded:
            raise ValueError("forbidden is held by max: too few cases have a forbidden step picked to compare")
        if not ratio and any(bound is not None and not 0 <= bound <= 1 for bound in (self.min, self.max)):
            raise ValueError(f"{scores.public(self.score)} lies from 0 to 1, so its min and max do too")


class Suite(Record):
    """A suite as it is written, but that scores have their stored names. ``docs/concepts.md`` explains every key.

    ``control`` are the loops that agents run under; none where they are asked for one step.
    """

    description: str = Field(pattern=r"\?\s*$")
    agents: tuple[Agent, ...] = Field(min_length=1)
    edits: tuple[str, ...] = Field(default=(NO_EDIT,), min_length=1)
    formats: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[Annotated[Output, AfterValidator(check_output)], ...] = ("prompted",)
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    control: tuple[str, ...] = ()
    baseline: dict[Axis, str] = {}
    params: dict[str, JsonValue] = {}
    repeats: int = Field(default=1, ge=1)
    compare: Comparing = Comparing()
    require: tuple[Requirement, ...] = ()
    # stored under their old names, so that recordings stay what they are
    inconclusive: Literal["pass", "fail"] = Field(
        default="fail", validation_alias=AliasChoices("inconclusive", "undecided"), serialization_alias="undecided"
    )
    logged: Literal["report", "gate"] = Field(
        default="report", validation_alias=AliasChoices("logged", "observed"), serialization_alias="observed"
    )
    scorers: tuple[str, ...] = ()
    seed: int = 0
    seeds: Literal["paired", "independent"] = "paired"
    tokenizer: str = "o200k_base"
    baml_src: str = "baml_src"

    @model_validator(mode="before")
    @classmethod
    def _stored_scores(cls, value: Any) -> Any:
        return words.stored_scores(value) if isinstance(value, Mapping) else value

    @field_validator("models", mode="before")
    @classmethod
    def _short_models(cls, value: Any) -> Any:
        return (
            _labelled([{"id": item} if isinstance(item, str) else item for item in value]) if isinstance(value, list) else value
        )

    @field_validator("params")
    @classmethod
    def _of_the_model(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return _params(value)

    @field_validator("edits", "formats", "outputs", "control")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value)

    @model_validator(mode="after")
    def _distinct_models(self) -> Self:
        try:
            _once(tuple(model.label for model in self.models))
        except ValueError as error:
            raise ValueError(f"models: {error}; give each a label of its own") from None
        return self

    @model_validator(mode="after")
    def _loops(self) -> Self:
        """Hold what is for agents that are run to their end, and what isn't; and fill in what such suites mean when they don't
        say."""
        kinds = {agent.tasks is not None for agent in self.agents}
        if len(kinds) > 1:
            raise ValueError("agents: some have tasks and some a dataset; give each kind a suite of its own")
        if not self.loops:
            if self.control:
                raise ValueError("control: is for agents with tasks, which are run to their end")
            return self
        if self.scorers:
            raise ValueError("scorers: score one answer; what a run was worth says its environment")
        changes: dict[str, object] = {} if self.control else {"control": (DEFAULT_CONTROL,)}
        if "score" not in self.compare.model_fields_set:
            changes["compare"] = self.compare.model_copy(update={"score": scores.SUCCESS})
        for name, value in changes.items():
            object.__setattr__(self, name, value)
        return self

    @property
    def loops(self) -> bool:
        """Whether its agents are run to their end, on tasks."""
        return self.agents[0].tasks is not None

    @property
    def stored(self) -> dict[str, JsonValue]:
        """The suite as runs store it, with keys under the names they always had."""
        suite = self.model_dump(mode="json", by_alias=True)
        if not self.loops:
            del suite["control"]
        return suite

    @property
    def scorer_names(self) -> tuple[str, ...]:
        """What the scores of the user's own scorers are called: their functions' names."""
        return tuple(entry.rpartition(":")[2] for entry in self.scorers)
