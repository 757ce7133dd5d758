"""Answers: what a model said, as a step with the answer's form, or the stage and reason of its failure.

An answer is read twice, text and tool calls alike. *As it stands*: with no leniency at all. *Repaired*: by BAML's schema-aligned
parser, which repairs a good deal; for that a call is written as the text that would have said the same. The repaired reading
decides. ``form`` says how much had to be repaired:

========== ===========================================================================================
exact      the answer is one step, to the letter: a JSON object, a tool call, or text that stands for one
wrapped    such an object stands in prose, a fence, or behind reasoning: no fault
repaired   BAML made a step of it all the same (unquoted keys, coerced values, a cut string ...)
echo       the schema was given back as if it were an answer (``"environment": "staging" or "production"``)
unparsable no step
========== ===========================================================================================
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import sub
from typing import Any

from pydantic import ValidationError

from phrasing.baml import generated
from phrasing.baml.project import Function, StepType
from phrasing.baml.step_schemas import first_fault
from phrasing.errors import FormatError, SuiteError, shorten
from phrasing.prompts import notations
from phrasing.prompts.notations import NotationFile, Told
from phrasing.prompts.template import Template
from phrasing.score.find_steps import StepFinder, WrittenStep, after_drafts, holds_types, unwrapped
from phrasing.score.prose import promises, refuses
from phrasing.score.written import loads, without_reasoning
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Agent
from phrasing.types import (
    OFFERS_TOOLS,
    VALID_FORMS,
    AnswerForm,
    Completion,
    FailureStage,
    Mode,
    Output,
    Parsed,
    Step,
    ToolCall,
    canonical_json,
)

MAX_CHARACTERS = 50_000
MAX_BRACKETS = 200
MAX_DEPTH = 40
"""What BAML's parser is given at most where the answer isn't plain JSON: its cost grows with the square of the brackets and the
cube of their depth, and it holds the interpreter meanwhile (400 objects: 0.4 s; 2,000: 20 s; 300 lists in one another: 3 s)."""
MAX_UNOPENED = 60
MAX_SAME_KEYS = 150
MAX_COMMAS = 600
"""The same of brackets that close what nothing opened (250: 0.1 s), keys of one name, and commas outside of strings (1,000: 0.05
s): its cost grows with their squares."""

_WRAPPED: frozenset[Mode] = frozenset({"native", "native_bare"})
"""The outputs whose JSON Schema asks for the step inside an object."""
_STEPS = 50
"""How many steps of one answer are read."""
_STRING = re.compile(r'"(?:\\.|[^"\\])*+(?:"|\\?\Z)', re.DOTALL)
_KEY = re.compile(r"""(?<!\w)(\w{1,100}+)["']?\s{0,20}+:""")
_FENCE = re.compile(r"\A```\w*\n(.*)\n```\Z", re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
_FORMS: tuple[AnswerForm, ...] = ("exact", "wrapped", "repaired", "echo", "unparsable")
"""From the best to the worst."""
_UNSTORABLE = "the step holds a number or a character that JSON can't carry"


@dataclass(frozen=True)
class Parser:
    """Parses answers to one function's prompt.

    ``text`` is the step that an answer in text stands for, under ``tool_auto``. ``notation``: answers in text are written so.
    """

    template: Template
    text: str | None = None
    notation: NotationFile | None = None

    @property
    def function(self) -> Function:
        """The function whose steps are looked for."""
        return self.template.function

    @cached_property
    def _echoes(self) -> re.Pattern[str] | None:
        """Match a field that stands with its type in place of a value, as the prompt's schema writes it."""
        patterns = []
        for line in self.template.schema.splitlines():
            field = re.fullmatch(r'\s*(?:"([^"]+)"|"?(\w+)"?)\??\s*:\s*(.+?),?\s*', line)
            if field and not _is_json(field[3]) and field[3] not in ("{", "["):
                name = re.escape(field[1] or field[2])
                patterns.append(rf'"?{name}"?\s*:\s*' + r"\s+".join(map(re.escape, field[3].split())))
        return re.compile("|".join(dict.fromkeys(patterns))) if patterns else None

    @cached_property
    def _finder(self) -> StepFinder:
        return StepFinder(self.function, self._echoes)

    def parse(self, completion: Completion, output: Output, *, several: bool = False) -> Parsed:
        """Find the step in an answer, which is a native tool call if there is one. Of several steps the first one counts.

        ``several``: the case wants several at once, so that several native calls need no repair; nor do the steps of an answer
        to a function that returns a list. Truncated, refused and empty answers fail whatever they hold.
        """
        try:
            parsed = self._parse(completion, output, several=several)
        except (ValidationError, RecursionError):  # pydantic reads JSON at most 200 levels deep
            return _failed("parse", "the step is nested too deep")
        kept = tuple(filter(_storable, parsed.further))
        if kept != parsed.further:
            parsed = parsed.model_copy(update={"further": kept})
        if any(step is not None and not _storable(step) for step in (parsed.step, parsed.as_it_stands)):
            return _failed("parse", _UNSTORABLE, *parsed.marks).model_copy(update={"further": kept})
        return parsed

    def _parse(self, completion: Completion, output: Output, *, several: bool) -> Parsed:
        if completion.finish_reason == "length":
            return _failed("truncated", "cut at the token limit")
        if completion.finish_reason == "overflow":
            return _failed("overflow", "the prompt is longer than the model's context window")
        if completion.finish_reason == "content_filter":
            return _failed("refused", "stopped by a content filter")
        if completion.tool_calls:
            return self._calls(completion.tool_calls, several=several)
        if not completion.text.strip():
            return _failed("empty", "no text and no tool call")
        if self.notation is not None:
            return self._noted(self.notation, completion.text)
        calls = output in OFFERS_TOOLS
        answer = after_drafts(without_reasoning(completion.text), lambda text: self._finder.in_text(text, calls=calls))
        if not answer:
            return _failed("empty", "nothing but reasoning")
        if output in OFFERS_TOOLS:
            return self._text_call(answer, output)
        return self._text(completion.text, answer, output)

    # ------------------------------------------------------------------------------------------ calls

    def _calls(self, calls: Sequence[ToolCall], *, several: bool) -> Parsed:
        written, guard = self._finder.in_calls(calls), _too_much("".join(call.arguments for call in calls))
        if self.function.many or several:
            return self._together([self._read(one, guard) for one in written[:_STEPS]], len(written))
        return self._read_all(written, guard)

    def _text_call(self, answer: str, output: Output) -> Parsed:
        """Recognise steps that were written as text: some models and servers never make a native call.

        Other text stands for a step under ``tool_auto``, unless it refuses or promises one, and is a failure under ``tool``.
        """
        guard = _too_much(answer)
        if written := self._finder.in_text(answer, calls=True):
            parsed = self._read_all(written, guard)
            form = "repaired" if parsed.form in VALID_FORMS else parsed.form
            return parsed.model_copy(update={"form": form, "as_it_stands": None, "marks": ("text_call", *parsed.marks)})
        if output != "tool_auto" or self.text is None:
            return _failed("no_call", f"text and no tool call: {shorten(answer, 120)!r}")
        steps = [intent for intent in self.function.steps if intent != self.text]
        if refuses(answer, steps):
            return _failed("refused", f"refused in text: {shorten(answer, 120)!r}")
        if promises(answer, steps):
            return _failed("no_call", f"promised in text, and no tool call: {shorten(answer, 120)!r}")
        step = self.function.steps[self.text]
        assert step.text_field is not None
        said = step.step(generated.as_json(step.model.model_validate(step.tagged({step.text_field: answer}))))
        return Parsed(step=said, form="exact", marks=("text_step",))

    # ------------------------------------------------------------------------------------------ text

    def _text(self, text: str, answer: str, output: Output) -> Parsed:
        parsed = self._answer(unwrapped(answer, self.function) if output in _WRAPPED else answer)
        if answer == text.strip() or parsed.stage == "guard":
            return parsed
        if parsed.form == "exact":
            parsed = parsed.model_copy(update={"form": "wrapped"})
        if _too_much(text):
            return parsed
        try:
            raw = self.function.read(text)
        except ValueError:
            return parsed
        read = [step for step in (parsed.step, *(parsed.further if self.function.many else ())) if step]
        return parsed if raw == read else parsed.model_copy(update={"marks": (*parsed.marks, "think_changes")})

    def _answer(self, answer: str) -> Parsed:
        if self.function.many:
            return self._answers(answer)
        if value := self.function.value(answer):
            step = Step(intent=value.intent)
            return Parsed(step=step, as_it_stands=step, form="exact")
        if whole := self._finder.whole(answer):
            return self._read(whole)
        if guard := _too_much(answer):
            return _failed("guard", guard)
        written = self._finder.in_text(answer, calls=False)
        if len(written) > 1:
            return self._read_all(written)
        # BAML is given all that stands around the step as well: what it makes of that is what an agent gets.
        (one,) = written or [WrittenStep(answer, None, None)]
        return self._read(replace(one, text=answer, bare=False))

    def _answers(self, answer: str) -> Parsed:
        """Read an answer to a function that returns a list."""
        items = loads(answer)
        if isinstance(items, list):
            return self._listed(items, wrapped=False)
        if guard := _too_much(answer):
            return _failed("guard", guard)
        items = loads(answer[answer.find("[") : answer.rfind("]") + 1])
        if isinstance(items, list):
            return self._listed(items, wrapped=True)
        if written := self._finder.in_text(answer, calls=False):
            parsed = self._together([self._read(one) for one in written[:_STEPS]], len(written))
        else:
            try:
                steps = self.function.read(answer)
            except ValueError as error:
                return _failed("parse", str(error))
            parsed = self._together([Parsed(step=step) for step in steps], len(steps))
        form = "repaired" if parsed.form in VALID_FORMS or parsed.step else parsed.form
        return parsed.model_copy(update={"form": "echo" if parsed.form == "echo" else form, "as_it_stands": None})

    def _listed(self, items: list[Any], *, wrapped: bool) -> Parsed:
        """Read a sound JSON list, each of whose items is a step."""
        read = []
        for item in items[:_STEPS]:
            text = json.dumps(item)
            if isinstance(item, str | int) and (value := self.function.value(text)):
                step = Step(intent=value.intent)
                read.append(Parsed(step=step, as_it_stands=step, form="exact"))
            else:
                whole = self._finder.whole(text) or WrittenStep(text, item if isinstance(item, dict) else None, None)
                read.append(self._read(whole))
        parsed = self._together(read, len(items))
        return parsed.model_copy(update={"form": "wrapped"}) if wrapped and parsed.form == "exact" else parsed

    # ------------------------------------------------------------------------------------------ notations

    def _noted(self, notation: NotationFile, text: str) -> Parsed:
        """Let a notation read an answer; what it reads is a call, and goes the way of one.

        The answer is ``exact`` where it is what the notation writes of the step, but for white space, and else ``wrapped`` at
        best.
        """
        depth = _brackets(text)[1]  # which readers of users' may go down one by one
        if len(text) > MAX_CHARACTERS or depth > MAX_DEPTH:
            return _failed("guard", f"{len(text)} characters, {depth} brackets deep: too much to read")
        if steps := self._written(notation, text):
            return self._told(steps)
        rest = without_reasoning(text, keep=self.function.steps)  # a tag that looks so may be a step's own
        answer = after_drafts(rest, lambda rest: self._is_read(notation, rest))
        if not answer:
            return _failed("empty", "nothing but reasoning")
        try:
            steps = notations.read(notation, answer, self.function)
            parsed = self._told(steps) if steps else _failed("parse", f"no step in {shorten(answer, 120)!r}")
        except ValueError as error:
            parsed = _failed("parse", str(error))
        form = "wrapped" if parsed.form == "exact" else parsed.form
        marks = (*parsed.marks, "json_answer") if self._is_json(answer, read=bool(steps)) else parsed.marks
        return parsed.model_copy(update={"form": form, "marks": marks})

    def _told(self, steps: Sequence[Told]) -> Parsed:
        """Read steps that a notation has read as calls."""
        return self._calls([ToolCall(name=step["intent"], arguments=json.dumps(step["args"])) for step in steps], several=False)

    def _is_read(self, notation: NotationFile, text: str) -> bool:
        try:
            return bool(notations.read(notation, text, self.function))
        except ValueError:
            return False

    def _written(self, notation: NotationFile, text: str) -> list[Told]:
        """Give the steps of an answer that is what the notation writes of them, but for white space; none of another one."""
        try:
            steps = notations.read(notation, text.strip(), self.function)
            written = [notations.write(notation, step, self.function) for step in steps]
        except (ValueError, FormatError):
            return []
        return steps if "".join(text.split()) == "".join("".join(written).split()) else []

    def _is_json(self, answer: str, *, read: bool) -> bool:
        """Whether a step stands in an answer as JSON; of one that was ``read``, whether the answer is nothing else."""
        if read and not isinstance(loads(_FENCE.sub(r"\1", answer)), dict | list):
            return False
        return any(one.value is not None for one in self._finder.in_text(answer, calls=False))

    # ------------------------------------------------------------------------------------------ reading them

    def _together(self, read: Sequence[Parsed], number: int) -> Parsed:
        """Make one reading of those of all steps, of which there are ``number``: it failed if one of them did."""
        if number > len(read):
            return _failed("guard", f"{number} steps: too many to read")
        if not read:
            return _failed("empty", "a list without a step")
        steps = [step for one in read for step in (one.step, *one.further) if step]
        marks = tuple(dict.fromkeys(mark for one in read for mark in one.marks))
        if failed := next((one for one in read if one.step is None), None):
            return failed.model_copy(update={"further": tuple(steps), "marks": marks})
        form = max((one.form for one in read), key=_FORMS.index)
        stands = read[0].as_it_stands if all(one.as_it_stands for one in read) else None
        update = {"form": form, "as_it_stands": stands, "further": tuple(steps[1:]), "marks": marks}
        return read[0].model_copy(update=update)

    def _read_all(self, written: Sequence[WrittenStep], guard: str | None = None) -> Parsed:
        """Read several steps: the first one counts, whatever becomes of it."""
        first, *more = [self._read(one, guard) for one in written[:_STEPS]]
        if not more:
            return first
        further = (*first.further, *(step for one in more for step in (one.step, *one.further) if step))
        form = "repaired" if first.form in VALID_FORMS else first.form
        marks = (*first.marks, "several_steps")
        return first.model_copy(update={"form": form, "as_it_stands": None, "further": further, "marks": marks})

    def _read(self, written: WrittenStep, guard: str | None = None) -> Parsed:
        """Read one step, as it stands and repaired. ``guard`` says why BAML may not be asked."""
        named = self._finder.named(written.name)
        if written.name is not None and named is None:
            return self._misnamed(written, guard)
        if written.fault or self._finder.is_json_schema(written):
            return _failed("arguments", written.fault or f"a JSON Schema: {shorten(written.text, 120)!r}")
        stands = None if written.value is None or written.enclosed else self._strict(written.value, named)
        if stands is not None and written.bare:
            return self._parsed(written, stands, stands)
        if guard := guard or _too_much(written.text):
            return _failed("guard", guard)
        if not (_is_unicode(written.text) and _carries(written.value)):
            return _failed("parse", _UNSTORABLE)
        try:
            return self._parsed(written, stands, self._repaired(written.text, named))
        except ValidationError:
            raise
        except ValueError as error:
            return self._unread(written, named, str(error))

    def _parsed(self, written: WrittenStep, stands: Step | None, step: Step) -> Parsed:
        """Say what the two readings of a step make of it."""
        extra = written.extra
        if written.value is not None:
            extra = extra or self.function.steps[step.intent].undeclared(written.value, step.args)
        form: AnswerForm = "repaired"
        if holds_types(step.args):
            form = "echo"
        elif not extra and stands == step:
            form = "exact" if written.bare else "wrapped"
        elif self._echoes and self._echoes.search(written.text):
            form = "echo"
        marks = ("extra_arguments",) if extra else ()
        return Parsed(step=step, as_it_stands=None if extra else stands, form=form, marks=marks)

    def _misnamed(self, written: WrittenStep, guard: str | None) -> Parsed:
        """Refuse a step that there isn't."""
        name = repr(shorten(written.name or "", 80))
        tag = next((tag for tag in self.function.tags if tag in written.text), self.function.discriminator or "intent")
        what = f"called {name}" if written.called else f"{tag} {name} is no step"
        failed = _failed("intent", f"{what}; there are: {', '.join(self.function.steps)}")
        return failed if guard or written.fault or _too_much(written.text) else self._guessed(failed, written.text)

    def _guessed(self, failed: Parsed, text: str) -> Parsed:
        """Add the step that BAML alone makes of one that can't be read: an agent would have done that, and it can do harm."""
        try:
            guess = self.function.read(text)
        except ValueError:
            return failed
        return failed.model_copy(update={"further": tuple(guess), "marks": (*failed.marks, "baml_guess")})

    def _repaired(self, text: str, named: StepType | None) -> Step:
        """Let BAML read a text as the step that it names, or as any. Raises ``ValueError``.

        What a function asserts of all its steps is in no class, so there the function has to read the same step.
        """
        if named is not None and named.value is not None:
            return Step(intent=named.intent)
        step = self.function.step(self.function.parse(text, named))
        if named is None or not self.function.asserts:
            return step
        held = self.function.step(self.function.parse(text))
        if held.intent == step.intent:
            return held
        if self.function.tags:
            raise ValueError(f"BAML reads {step.intent} as {held.intent}")
        return step  # only the call says which class it is

    def _unread(self, written: WrittenStep, named: StepType | None, error: str) -> Parsed:
        """Say why an answer is no step; BAML's own reason is written for its authors."""
        if named is None:
            mentioned = any(tag in written.text for tag in self.function.tags) or (written.value and not self.function.tags)
            return _failed("parse", error if mentioned else f"no step in {shorten(written.text, 120)!r}")
        reason = error
        if written.value is not None:
            try:
                named.answered({**written.value, **({named.tag: named.intent} if named.tag else {})}, strict=False)
            except ValidationError as fault:
                reason = first_fault(fault)
        return self._guessed(_failed("arguments", f"{named.intent}: {reason}"), written.text)

    def _strict(self, value: dict[str, Any], named: StepType | None) -> Step | None:
        """Read a JSON object as a step with no leniency at all. ``named``: the one that a call or the object names.

        Where no field says which step it is, and no call does, BAML says which.
        """
        try:
            meant = self.function.meant(value) if self.function.tags else named or self._taken_for(value)
            if meant is None:
                return None
            step = meant.answered(value, strict=True)
            if self.function.asserts and (_too_much(text := json.dumps(value)) or self._held(text, meant) != step):
                return None
        except (ValueError, RecursionError):
            return None
        return step

    def _held(self, text: str, meant: StepType) -> Step:
        """Let BAML read a text with all that is asserted. Raises ``ValueError`` where something doesn't hold."""
        return self.function.step(self.function.parse(text)) if self.function.tags else self._repaired(text, meant)

    def _taken_for(self, value: dict[str, Any]) -> StepType | None:
        """Give the step that BAML takes an object for. Raises ``ValueError`` where it takes it for none.

        Where asking BAML would take too long it is the only step that the object may be meant for, if there is one.
        """
        text = json.dumps(value)
        if not _too_much(text):
            return self.function.steps[self.function.step(self.function.parse(text)).intent]
        alike = [step for step in self.function.steps.values() if step.is_like({key.casefold() for key in value})]
        return alike[0] if len(alike) == 1 else None


def check_text(file: SuiteFile, i: int, agent: Agent, functions: Sequence[Function], outputs: Sequence[Output]) -> None:
    """Refuse a step that no text can stand for, and output ``tool_auto`` without one. Raises ``SuiteError`` with what there is.

    ``agent`` is the ``i``-th of the suite.
    """
    if agent.text is None and "tool_auto" not in outputs:
        return
    for function in functions:
        takers = [step.intent for step in function.steps.values() if step.text_field]
        listed = f"steps of {function.name} with one required field, a string: {', '.join(takers) or 'none'}"
        if agent.text is None:
            message = f"agents.{i}: output tool_auto needs text: the step that an answer in text stands for; {listed}"
            raise SuiteError(message, where=file.where("agents", i))
        if agent.text not in takers:
            what = f"step {agent.text!r} can't take a text" if agent.text in function.steps else f"no step {agent.text!r}"
            raise SuiteError(f"agents.{i}.text: {what}; {listed}", where=file.where("agents", i, "text"))


def _failed(stage: FailureStage, reason: str, *marks: str) -> Parsed:
    return Parsed(stage=stage, reason=reason, marks=marks)


@lru_cache(maxsize=16)
def _too_much(text: str) -> str | None:
    """Say why a text is too much for BAML's parser, if it is."""
    if len(text) > MAX_CHARACTERS:
        return f"{len(text)} characters: too much to repair"
    brackets, depth, unopened = _brackets(text)
    if brackets > MAX_BRACKETS or depth > MAX_DEPTH:
        return f"{len(text)} characters, {brackets} brackets, {depth} deep: too much to repair"
    if unopened > MAX_UNOPENED:
        return f"{unopened} closing brackets without an opening one: too much to repair"
    same = max(Counter(_KEY.findall(text)).values(), default=0)
    commas = _STRING.sub("", text).count(",")
    if same > MAX_SAME_KEYS or commas > MAX_COMMAS:
        return f"{same} keys of one name, {commas} commas: too much to repair"
    return None


def _storable(step: Step) -> bool:
    return _carries(step.args)


def _carries(value: Any) -> bool:
    """Whether JSON can carry a value: no infinity, and no half of a surrogate pair."""
    try:
        return bool(canonical_json(value).encode())
    except RecursionError:
        return True
    except ValueError:
        return False


def _is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair: BAML takes none."""
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _brackets(text: str) -> tuple[int, int, int]:
    """Count the opening brackets in a text, how deep they stand in one another, and the closing ones that close nothing."""
    steps = list(map(_STEP.__getitem__, re.sub(r"[^][{}]++", "", text)))
    heights = list(accumulate(steps))
    lowest = list(accumulate(heights, min, initial=0))
    return steps.count(1), max(map(sub, heights, lowest[1:]), default=0), -lowest[-1]


def _is_json(text: str) -> bool:
    return loads(text) is not None or text == "null"
