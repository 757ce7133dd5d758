"""The nouns. Read this first: every other module takes these and returns these.

What crosses a file (datasets, suites, results) is a frozen pydantic model that refuses unknown keys, so a typo is an error with a
line number. What lives only inside one run is a frozen dataclass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, cast, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

Message = dict[str, Any]
"""A chat message in the shape of the OpenAI Chat Completions API."""

Rendering = str | list[Message]
"""What a format makes of a thread: text that fills ``{{ thread }}``, or messages that replace it."""

Mode = Literal["prompted", "native", "native_bare", "tool", "tool_auto"]
"""How the model must answer: see ``docs/concepts.md``."""

Output = str
"""An output mode as a suite names it: alone, or ``prompted`` with notations, ``prompted(typescript yaml)``."""

OFFERS_TOOLS: frozenset[Mode] = frozenset({"tool", "tool_auto"})
"""The outputs under which the steps are sent as tools."""


def mode_of(output: Output) -> Mode:
    """Leave the notations of an output out."""
    return cast(Mode, output.partition("(")[0])


Role = Literal["input", "step", "result"]


def _logged(value: object) -> object:
    """Understand the old word."""
    return "logged" if value == "observed" else value


Strength = Annotated[Literal["written", "gold", "logged", "heuristic"], BeforeValidator(_logged)]
"""Where a label comes from. ``logged``, what a logged agent did, used to be ``observed``, and is stored under that name."""

Labeller = Literal["model", "person"]
"""Who labelled a case."""

SegmentKind = Literal["instructions", "schema", "examples", "thread", "question"]
AnswerForm = Literal["exact", "wrapped", "repaired", "echo", "unparsable"]

VALID_FORMS: frozenset[AnswerForm] = frozenset({"exact", "wrapped"})
"""The forms of answers that need no repair."""


class Record(BaseModel):
    """Base of everything that is stored or read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Count = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""A whole number that fits in 64 bits, as tables hold them. What a provider counts beyond that is no count."""


# ---------------------------------------------------------------------------------------------- datasets


EVENT_TYPE = r"^[A-Za-z_][A-Za-z0-9_.-]*$"

ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""What the id of a case or a task may be: kebab-case."""


@pydantic_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Event:
    """One thing that happened. ``role`` and ``call`` may be left out: ``dataset.infer_roles`` fills them by stated rules.

    It is checked as a ``Record`` is, in a third of the memory: a dataset holds a million of them.
    """

    type: str = Field(pattern=EVENT_TYPE)
    data: JsonValue = None
    role: Role | None = None
    call: str | None = None


class Thread(Record):
    """What happened so far, oldest first."""

    events: tuple[Event, ...] = Field(min_length=1)


class Step(Record):
    """The step a model picked. ``args`` stay nested because some tools have a parameter that is itself named ``intent``."""

    intent: str
    args: dict[str, JsonValue] = {}


class StepMatch(Record):
    """A step to compare with: an intent and, where they matter, expected arguments.

    A value in ``args`` is either the value itself or a matcher, an object whose keys begin with ``$`` (``score.matchers`` has the
    list). Arguments that aren't named are not compared; ``only``: they have to be left out, or null.
    """

    intent: str
    args: dict[str, JsonValue] = {}
    only: bool = False

    @model_serializer(mode="wrap")
    def _stored(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a label as it always was where it doesn't say ``only``."""
        label: dict[str, Any] = write(self)
        if not self.only:
            label.pop("only", None)
        return label


Together = Literal["all", "sequence"]
"""How a case wants several steps at once: in any order, or in this one."""


@pydantic_dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class CaseNote:
    """What tables and statistics need to know of a case that was asked.

    It is checked as a ``Record`` is, in less than half of the memory: a run may hold a hundred thousand of them.

    ``expect`` are the intents of its labels, each once: any of them is right, unless it wants the labels ``together``.
    ``labeller`` is who gave them, where that is said; ``last`` is the type of its thread's last event, ``events`` how many there
    are (0: a run made before this was kept), ``turn`` that of the case. ``labels`` and ``forbid`` are its labels in full.
    """

    group: str | None = None
    tags: tuple[str, ...] = ()
    expect: tuple[str, ...]
    strength: Strength = "written"
    last: str = ""
    events: Count = 0
    turn: Count | None = None
    labels: tuple[StepMatch, ...] = ()
    forbid: tuple[StepMatch, ...] = ()
    labeller: Labeller | None = None
    together: Together | None = None

    @property
    def wanted(self) -> str:
        """Name the expected steps in a text."""
        if self.together is None:
            return " or ".join(self.expect)
        return {"all": " and ", "sequence": ", then "}[self.together].join(label.intent for label in self.labels)

    @model_serializer(mode="wrap")
    def _stored(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a note as it always was: without a labeller where none is said, and logged labels as ``observed``."""
        note: dict[str, Any] = write(self)
        for name in ("labeller", "together"):
            if getattr(self, name) is None:
                note.pop(name, None)
        if self.strength == "logged":
            note["strength"] = "observed"
        return note


LABELS = ("expect", "all", "sequence")
"""The keys of a case that say what is right: it has one of them."""


class Line(Record):
    """A line of a file of these: each has an id of its own.

    ``plural`` is what several are called in messages, ``nested`` names the keys of objects within it, by the key that holds them.
    """

    plural: ClassVar[str] = "cases"
    nested: ClassVar[Mapping[str, Iterable[str]]] = {}

    id: str


class Case(Line):
    """A thread, the acceptable next steps and the steps that would do harm here (``forbid``).

    What is right says one of ``expect`` (any of these steps), ``all`` (these together) and ``sequence`` (these, in this order).
    ``answer`` is one right step in full, for a case that serves as an example. ``labeller`` says who labelled it, a model or a
    person.
    """

    id: str = Field(pattern=ID)
    thread: Thread
    expect: tuple[StepMatch, ...] = Field((), min_length=1)
    all: tuple[StepMatch, ...] = Field((), min_length=1)
    sequence: tuple[StepMatch, ...] = Field((), min_length=1)
    forbid: tuple[StepMatch, ...] = ()
    tags: tuple[str, ...] = ()
    group: str | None = None
    turn: int | None = None
    strength: Strength = "written"
    labeller: Labeller | None = None
    answer: Step | None = None
    meta: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _labelled(self) -> Self:
        """Refuse a case without labels, and one that says in two ways what is right."""
        said = [name for name in LABELS if getattr(self, name)]
        if not said:
            raise ValueError("expect: missing")
        if len(said) > 1:
            raise ValueError(f"{said[1]}: stands beside {said[0]}; a case has one of: {', '.join(LABELS)}")
        if self.together and self.answer:
            raise ValueError(f"answer: one step can't be the answer to {self.together}, which wants several at once")
        return self

    @model_serializer(mode="wrap")
    def _stored(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a case as it always was where it doesn't want several steps at once."""
        case: dict[str, Any] = write(self)
        return {name: value for name, value in case.items() if name not in LABELS or value}

    @property
    def together(self) -> Together | None:
        """How the case wants several steps at once; ``None``: one of ``expect`` will do."""
        return "all" if self.all else "sequence" if self.sequence else None

    @property
    def labels(self) -> tuple[StepMatch, ...]:
        """The steps that are right: any of them, or all ``together``."""
        return self.expect or self.all or self.sequence

    @property
    def cluster(self) -> str:
        """What statistics cluster on: the conversation the case was cut from, or the case itself."""
        return self.group or self.id

    @property
    def note(self) -> CaseNote:
        """What tables and statistics need to know of it."""
        intents = tuple(dict.fromkeys(label.intent for label in self.labels))
        return CaseNote(
            group=self.group,
            tags=self.tags,
            expect=intents,
            strength=self.strength,
            last=self.thread.events[-1].type,
            events=len(self.thread.events),
            turn=self.turn,
            labels=self.labels,
            together=self.together,
            forbid=self.forbid,
            labeller=self.labeller,
        )


class SecondLabel(Line):
    """The step that a second reader, who saw no other label, would take in the case ``id``, and the others it would accept.

    ``args`` are the arguments that the reader found fixed by the thread; ``labeller`` says whether it is a model or a person.
    """

    intent: str
    args: dict[str, JsonValue] = {}
    also: tuple[str, ...] = ()
    labeller: Labeller | None = None


# ---------------------------------------------------------------------------------------------- prompts


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text in a prompt, and which part of it that is; ``event`` is the type of its event in a thread taken apart."""

    kind: SegmentKind
    text: str
    event: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent. ``pieces[i]`` are the parts of ``messages[i]``, in order: their texts joined are its content.

    A message that a format rendered (it may hold tool calls) is one ``thread`` or ``examples`` piece, the text of its content.
    """

    messages: tuple[Message, ...]
    pieces: tuple[tuple[Piece, ...], ...]
    tools: tuple[dict[str, Any], ...] | None = None
    response_format: dict[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    """One call to a model. ``key`` names what it is asked: equal requests have equal keys, whatever asks them and wherever the
    model is served (``api_base``).
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] | None = None
    response_format: dict[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    api_base: str | None = None

    @cached_property
    def key(self) -> str:
        """SHA-256 (hexadecimal) of what the model is asked, as canonical JSON."""
        return self.key_at(None)

    def key_at(self, api_base: str | None) -> str:
        """Give the key by which earlier versions named the request to a model served there: the address was a part of it."""
        return digest(
            {
                "model": self.model,
                "messages": self.messages,
                "tools": self.tools,
                "response_format": self.response_format,
                "params": dict(self.params),
                "api_base": api_base,
            }
        )


def canonical_json(value: Any) -> str:
    """Write JSON with sorted keys and no white space: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of a JSON value, or of a text as it is."""
    text = value if isinstance(value, str) else canonical_json(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ---------------------------------------------------------------------------------------------- answers


class ToolCall(Record):
    """A tool call as the provider returned it; ``arguments`` is the raw text."""

    name: str
    arguments: str


class Usage(Record):
    """Tokens as the provider counts them. ``None``: the provider didn't say."""

    prompt: Count | None = None
    completion: Count | None = None
    cached: Count | None = None
    reasoning: Count | None = None


class Quota(Record):
    """What a provider says is left of its rate limit: requests and tokens, and the seconds until each is whole again."""

    requests: float | None = None
    requests_reset: float | None = None
    tokens: float | None = None
    tokens_reset: float | None = None


Logprobs = tuple[tuple[str, float], ...]
"""An answer's tokens in order, each with the natural logarithm of its probability."""


class Completion(Record):
    """A model's answer.

    ``finish_reason`` is the provider's, in OpenAI's words, or ``overflow``: the prompt was longer than the context window.
    ``latency`` is seconds of the last attempt, from the request's last byte to the answer's, without queueing; ``first_byte`` and
    ``first_token`` are how many of them passed before the answer began, where that was seen. ``cost`` is US dollars. ``quota``
    is for who asks next, and isn't stored.
    ``emulated`` says what the client library sent in another way than it was asked to; ``None``: nothing of the kind was seen.
    ``unread`` names the parts of the provider's response that couldn't be read, and are left out: ``content``, ``tool_calls``,
    ``finish_reason``, ``usage``, ``message``, ``error`` (one stood beside the answer), ``bytes`` (some weren't UTF-8).
    ``logprobs`` is ``None`` where the provider didn't give them. ``alternatives`` are the tokens that were likely in place of one
    of these, by its place (from 0), the one that was picked among them (a scored answer keeps those to the name of its step);
    ``None``: none were asked for.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()
    latency: float | None = None
    first_byte: float | None = None
    first_token: float | None = None
    cost: float | None = None
    attempts: Count = 1
    emulated: str | None = None
    unread: tuple[str, ...] = ()
    logprobs: Logprobs | None = None
    alternatives: dict[Count, Logprobs] | None = None
    quota: Quota | None = Field(default=None, exclude=True, repr=False)


FailureStage = Literal["empty", "truncated", "refused", "overflow", "guard", "parse", "intent", "arguments", "no_call"]
"""Where an answer failed; ``docs/concepts.md`` says what each means."""


MARKS = {
    "text_call": "a step that was written as text where a call was due: it is read, but never valid",
    "several_steps": "the answer holds several steps: the first one counts, and if any is forbidden, so is the answer",
    "extra_arguments": "an argument that the step doesn't declare was dropped",
    "baml_guess": "what it names is no step, or not with these arguments; BAML alone takes it for another one",
    "think_changes": "BAML alone would have read another step out of the reasoning or a draft",
    "text_step": "text that stands for a step",
    "json_answer": "JSON where another notation was asked for: it counts if that notation's reader takes it",
}
"""What a reader should know of how an answer was read, by mark."""


class Parsed(Record):
    """What became of an answer: a step and the answer's form, or the stage at which it failed and why.

    An answer is read twice. ``step`` is the reading after repair, and decides every score but ``valid``: it is what an agent that
    repairs answers would do. ``as_it_stands`` is the reading with no leniency at all: ``None`` where the answer isn't one sound
    step. ``further`` are the steps that stand in the answer beside the one that counts, after repair: where several are
    wanted, they count too. ``marks`` are some of
    ``MARKS``; runs of earlier versions also have ``several_calls``, which is ``several_steps`` of native calls.
    """

    step: Step | None = None
    as_it_stands: Step | None = None
    further: tuple[Step, ...] = ()
    form: AnswerForm = "unparsable"
    stage: FailureStage | None = None
    reason: str | None = None
    marks: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _sound(cls, given: Any) -> Any:
        """Fill in what runs of earlier versions don't say: an answer that needed no repair has one step in both readings."""
        if isinstance(given, dict) and "as_it_stands" not in given and given.get("form") in VALID_FORMS:
            return {**given, "as_it_stands": given.get("step")}
        return given


SCORER_FAILED = "scorer failed: "
"""What the reason of a score begins with where a user's scorer raised, or returned something that is no score."""


class Score(Record):
    """A number from 0 to 1, or ``None`` where the scorer doesn't apply: left out of means, never NaN."""

    value: float | None = None
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no value because the scorer itself went wrong."""
        return self.value is None and self.reason.startswith(SCORER_FAILED)


# ---------------------------------------------------------------------------------------------- the grid


NO_EDIT = "none"
"""The edit of variants that show the thread as it is."""


Axis = Literal["function", "control", "edit", "format", "output", "model"]
"""What a variant is made of, by the names that ``baseline`` and ``where`` use."""

AXES: tuple[Axis, ...] = get_args(Axis)
"""The axes in the order in which they are shown. Variants whose agents don't run to the end have no ``control``."""

_UNDER = "@"
"""What stands in the text of a variant between its function and its control; no function is named so."""

_WRITTEN: tuple[Axis, ...] = ("edit", "format", "output", "model")
"""The axes that follow these in it."""


def under(function: str, control: str) -> str:
    """Write a function and the control that its agent runs under, if it has one, as the text of a variant begins."""
    return f"{function}{_UNDER}{control}" if control else function


def write_axes(values: Iterable[str]) -> str:
    """Write a function (``under`` its control), an edit, a format, an output and a model as the text of a variant; or all but the
    model as that of one without it.

    No value holds a comma: a format, an edit and a function can't be named so, and a label of a model with one is refused.
    """
    return ",".join(values)


def read_axes(text: str) -> dict[str, str]:
    """Read the text of a variant, or of one without its model, as its axes by name. Raises ``ValueError`` for another text."""
    first, *values = text.split(",")
    if not len(_WRITTEN) - 1 <= len(values) <= len(_WRITTEN):
        raise ValueError(f"{text!r} is no variant; wanted function,{write_axes(_WRITTEN)}")
    function, _, control = first.partition(_UNDER)
    named: dict[str, str] = {"function": function, **({"control": control} if control else {})}
    return named | dict(zip(_WRITTEN, values, strict=False))


@dataclass(frozen=True, slots=True, order=True)
class Variant:
    """What is compared with what. ``edit`` is ``none`` where nothing is edited, ``model`` is the model's label.

    ``control`` is by which loop an agent is run to its end; empty where it is asked for one step. The text stands in stored ids
    of trials and, where seeds are independent, in the seeds of requests. So an axis that is added has a default, at which it is
    left out of the text.
    """

    function: str
    edit: str
    format: str
    output: Output
    model: str
    control: str = ""

    def __str__(self) -> str:
        return write_axes((under(self.function, self.control), *(getattr(self, axis) for axis in _WRITTEN)))

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read a variant as ``str`` writes it. Raises ``ValueError`` for another text."""
        axes = read_axes(text)
        if "model" not in axes:
            raise ValueError(f"{text!r} is no variant; wanted function,{write_axes(_WRITTEN)}")
        return cls(axes["function"], axes["edit"], axes["format"], axes["output"], axes["model"], axes.get("control", ""))

    @property
    def axes(self) -> dict[Axis, str]:
        """Its axes by name, without a control that it doesn't have."""
        return {axis: value for axis in AXES if (value := getattr(self, axis)) or axis != "control"}

    def moved(self, axes: Mapping[Axis, str]) -> Variant:
        """Give the variant with these axes replaced."""
        return replace(self, **{str(axis): value for axis, value in axes.items()})

    def matches(self, where: Mapping[Axis, str]) -> bool:
        """Whether it has these values on these axes."""
        return all(getattr(self, axis) == value for axis, value in where.items())


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One cell of the grid: a case that is asked for its next step, or a task that an agent is run on to its end."""

    dataset: str
    case: str
    variant: Variant
    repeat: int

    @property
    def id(self) -> str:
        """A readable address, as in pytest: ``deploy::case[function,edit,format,output,model]#repeat``."""
        return f"{self.dataset}::{self.case}[{self.variant}]#{self.repeat}"

    def step(self, number: int) -> str:
        """Give the address of one of its steps, from 1: ``deploy::task[…]#repeat/3``."""
        return f"{self.id}/{number}"
