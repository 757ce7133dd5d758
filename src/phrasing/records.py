"""What a run stores: a line of ``results.jsonl`` and ``run.json``. Reports are made from these alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, cast

from pydantic import AliasChoices, ConfigDict, Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from phrasing.scores import FORBIDDEN, SUCCESS, public
from phrasing.types import NO_EDIT, CaseNote, Completion, Count, Parsed, Record, Score, under, write_axes


class TokenCounts(Record):
    """Our own count of a prompt, by segment. ``framing`` is an estimate, unless the tokenizer is exact.

    ``spread``: how many tokens more ``schema`` may have, where it isn't known how the provider shows tools or an enforced schema.
    Then the count is a range, and ``schema`` is its lower end.
    """

    instructions: Count = 0
    schema_: Count = Field(default=0, alias="schema")
    examples: Count = 0
    thread: Count = 0
    question: Count = 0
    framing: Count = 0
    spread: Count = 0

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @property
    def total(self) -> int:
        """All segments and framing; the lower end of a range."""
        return self.instructions + self.schema_ + self.examples + self.thread + self.question + self.framing

    @property
    def most(self) -> int:
        """The upper end of a range; ``total`` where the count is none."""
        return self.total + self.spread


class Failure(Record):
    """Why a trial has no answer."""

    kind: str
    message: str


Ending = Literal["done", "over", "limit", "waiting", "stopped"]
"""Why a run of an agent ended: its turn was over, and nothing came any more; its environment was; no step was left; everything
was waited for, and nothing was due; its control stopped it."""


class Outcome(Record):
    """How a run ended, and what happened in it: counts of steps, answers that were no step, errors that the agent was shown,
    errors after which a step went well, steps that repeat the one before, effects that happened before just so, questions asked,
    those that nobody needed, and those that were needed and not asked. ``virtual_seconds`` are seconds of virtual time;
    ``forbidden`` are the effects that the task forbids and that were done; ``peak_tokens`` is the longest prompt, in tokens.
    """

    ended: Ending
    why: str = ""
    steps: Count = 0
    virtual_seconds: float = 0.0
    unreadable: Count = 0
    errors_met: Count = 0
    recovered: Count = 0
    repeated_steps: Count = 0
    doubled_effects: Count = 0
    questions: Count = 0
    needless_questions: Count = 0
    missed_questions: Count = 0
    forbidden: tuple[str, ...] = ()
    peak_tokens: Count = 0


class Result(Record):
    """One line of ``results.jsonl``: a trial, what was sent (by reference), what came back, and what it was worth.

    ``api_base`` is where the model was served that answered, ``None`` for its provider's own address. Earlier versions didn't
    keep it here, but in the suite of ``run.json`` and in the ``key``.

    An agent that is run to its end has a line for each ``step`` (from 1), with what happened ``since`` the one before (by
    reference), and one for the trial: how it ended, its scores, and the sums of what its steps took. The ``key`` of that digests
    all that the run depends on.
    """

    trial: str
    dataset: str
    case: str
    function: str
    edit: str = NO_EDIT
    format: str
    output: str
    model: str
    control: str = ""
    repeat: Count
    step: Count | None = None
    key: str
    prompt: str
    tokens: TokenCounts
    at: str
    api_base: str | None = None
    completion: Completion | None = None
    error: Failure | None = None
    parsed: Parsed | None = None
    scores: dict[str, Score] = {}
    since: str | None = None
    outcome: Outcome | None = None

    def at_base(self, unnamed: Mapping[str, str]) -> Result:
        """Give the same with the ``api_base`` that ``RunRecord.unnamed`` says of its model, where it names none itself."""
        known = unnamed.get(self.model) if self.api_base is None and self.error is None else None
        return self if known is None else self.model_copy(update={"api_base": known})

    @property
    def variant(self) -> str:
        """The text of the variant, as ``str(Variant)`` gives it."""
        return write_axes((under(self.function, self.control), self.edit, self.format, self.output, self.model))

    @property
    def why(self) -> str:
        """What went wrong, in a line; empty where nothing did."""
        if self.error:
            return f"error: {self.error.kind}: {self.error.message}"
        wrong: list[str] = [name for name in ("intent", "args") if name in self.scores and self.scores[name].value == 0]
        if self.outcome and SUCCESS in self.scores and self.scores[SUCCESS].value != 1:
            wrong.append(SUCCESS)
        said = [f"{public(name)}: {self.scores[name].reason}" for name in wrong]
        forbidden = self.scores.get(FORBIDDEN)
        said += [forbidden.reason] if forbidden and forbidden.value else []
        said += [f"{public(name)}: {score.reason}" for name, score in self.scores.items() if score.failed]
        return "; ".join(said)


class Group(Record):
    """A group of a dataset as it was asked: its cases, and how many trials of them each of the run's variants has."""

    dataset: str
    cases: tuple[str, ...]
    trials: tuple[Count, ...]


_NEWER = ("order", "words", "tool_rules", "served", "prompts", "added", "notations", "environments", "controls", "judged")
"""Fields of a run that older records don't have."""


class Ended(Record):
    """``ended.json``: how a run ended. It says what ``run.json`` says in the fields of these names, and goes before it."""

    finished: str
    stopped: dict[str, str]
    spared: int | None


def served(earlier: Iterable[str | None], now: str | None) -> tuple[str | None, ...]:
    """List each ``api_base`` once, the present one last."""
    return (*dict.fromkeys(base for base in earlier if base != now), now)


class RunRecord(Record):
    """``run.json``: what a run was made of, so that its reports can be made from its folder alone.

    ``models``, ``formats``, ``edits``, ``datasets``, ``baml``, ``prompts``, ``notations``, ``scorers``, ``environments`` and
    ``controls`` hold SHA-256 digests of the files, ``judged`` the names of the scores that its environments give beside success;
    ``baselines`` maps a variant's text to that of the variant it is compared with; ``cases`` are those asked, by dataset and id;
    ``steps`` maps ``dataset function`` to the function's steps (with the cases they give the no-model baselines), ``words`` the
    same to what the baseline of that name picks for each of the suite's cases; ``stopped`` says which models stopped being asked,
    and why. ``partial`` names the selection where only a part of the suite was asked; ``shard`` is the share of it that this run
    asked (``2/5``). ``added`` maps ``dataset function`` to the tools that the suite adds to the function's own steps, where it
    does; their file is among ``prompts``. ``spared`` counts trials that weren't asked because their comparisons were decided
    before; ``None`` where a run doesn't stop early. ``order`` are the groups of a run that does, in the order in which they are
    looked at (``None`` in an old one). ``set_aside`` counts, by dataset, the cases that aren't asked because they are examples,
    or of an example's group. ``exact_tokens``: the suite's tokenizer knew the chat template, so that our count of prompts is no
    estimate. ``tool_rules`` says by which rule tools and enforced schemas were counted, by model; a run without it counted them
    as compact JSON. ``served`` lists, by model, each ``api_base`` at which it was to be asked since the run began, the present
    one last (``None``: its provider's own address); a model that never had one is left out.
    """

    suite: str
    started: str
    finished: str | None = None
    versions: dict[str, str]
    commit: str | None
    resolved: dict[str, JsonValue]
    partial: str | None
    trials: Count
    # stored under its old name, so that recordings stay what they are
    variants: tuple[str, ...] = Field(validation_alias=AliasChoices("arms", "variants"), serialization_alias="arms")
    baselines: dict[str, str]
    steps: dict[str, tuple[str, ...]]
    cases: dict[str, dict[str, CaseNote]]
    formats: dict[str, dict[str, str | None]]
    edits: dict[str, dict[str, str | None]] = {}
    datasets: dict[str, str]
    baml: dict[str, str]
    models: dict[str, dict[str, str | None]]
    skipped: tuple[str, ...]
    warnings: tuple[str, ...]
    stopped: dict[str, str] = {}
    scorers: dict[str, str] = {}
    shard: str | None = None
    spared: Count | None = None
    order: tuple[Group, ...] | None = None
    set_aside: dict[str, Count] = {}
    exact_tokens: bool = False
    words: dict[str, dict[str, str]] = {}
    tool_rules: dict[str, str] = {}
    served: dict[str, tuple[str | None, ...]] = {}
    prompts: dict[str, str] = {}
    added: dict[str, tuple[str, ...]] = {}
    notations: dict[str, str] = {}
    environments: dict[str, str] = {}
    controls: dict[str, str] = {}
    judged: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _stored(self, write: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """Leave out what is empty and what older records don't have, so that they stay what they are."""
        record: dict[str, JsonValue] = write(self)
        return {name: value for name, value in record.items() if value or name not in _NEWER}

    @property
    def loops(self) -> bool:
        """Whether its agents are run to their end."""
        return bool(self.environments)

    @property
    def part(self) -> str | None:
        """What was asked, if it isn't the whole suite: no requirement is evaluated then."""
        return " ".join(filter(None, (self.partial, self.shard and f"--shard {self.shard}"))) or None

    @property
    def ids(self) -> dict[str, str | None]:
        """The id of each model, by label."""
        return {label: model["id"] for label, model in self.models.items()}

    @property
    def unnamed(self) -> dict[str, str]:
        """The ``api_base`` of each model whose results don't name it, because an earlier version asked."""
        return {} if self.served else {label: base for label, base in self._bases.items() if base is not None}

    def addresses(self, label: str) -> tuple[str | None, ...]:
        """Each ``api_base`` at which a model was to be asked, the last one last; none for a model that the run doesn't have."""
        known = (self._bases[label],) if label in self._bases else ()
        return self.served.get(label, known)

    @property
    def _bases(self) -> dict[str, str | None]:
        models = cast("list[dict[str, str | None]]", self.resolved.get("models", []))
        return {str(model["label"]): model.get("api_base") for model in models if isinstance(model, dict)}

    @property
    def strengths(self) -> Counter[str]:
        """How many cases have labels of each strength."""
        return Counter(note.strength for listed in self.cases.values() for note in listed.values())

    def only(self, cases: Mapping[str, Collection[str]]) -> RunRecord:
        """The same run, of these cases alone (ids by dataset)."""
        kept = {
            dataset: {case: note for case, note in listed.items() if case in cases.get(dataset, ())}
            for dataset, listed in self.cases.items()
        }
        return self.model_copy(update={"cases": kept})
