"""Answers: what a model said, as a step with the answer's form, or the stage and reason of its failure.

Text goes through BAML's schema-aligned parser, which repairs a good deal. ``form`` says how much it had to:

========== ===========================================================================================
exact      the answer is a JSON object that holds the step, to the letter (or text that stands for one)
wrapped    such an object stands in prose, a fence, or behind reasoning: no fault
repaired   BAML made a step of it all the same (unquoted keys, coerced values, a cut string ...)
echo       the schema was given back as if it were an answer (``"environment": "staging" or "production"``)
unparsable no step
========== ===========================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from phrasing.baml import generated
from phrasing.baml.project import Function
from phrasing.baml.step_schemas import WRAPPER, first_fault
from phrasing.errors import SuiteError, shorten
from phrasing.prompts.template import Template
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Agent
from phrasing.types import OFFERS_TOOLS, AnswerForm, Completion, FailureStage, Output, Parsed, Step, canonical_json

MAX_CHARACTERS = 50_000
MAX_BRACKETS = 300
MAX_DEPTH = 40
"""What BAML's parser is given at most where the answer isn't plain JSON: its cost grows with the square of the brackets and the
cube of their depth, and it holds the interpreter meanwhile (400 objects: 0.4 s; 2,000: 20 s; 300 lists in one another: 3 s)."""

_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_TYPE_WORDS = frozenset({"string", "int", "float", "bool", "null", "string or null"})


@dataclass(frozen=True)
class Parser:
    """Parses answers to one function's prompt. ``text`` is the step that an answer in text stands for, under ``tool_auto``."""

    template: Template
    text: str | None = None

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

    def parse(self, completion: Completion, output: Output) -> Parsed:
        """Find the step in an answer.

        A native tool call is taken as it is. Truncated, refused and empty answers fail whatever they hold.
        """
        try:
            parsed = self._parse(completion, output)
        except ValidationError:  # pydantic reads JSON at most 200 levels deep
            return _failed("parse", "the step is nested too deep")
        if parsed.step is not None and not _storable(parsed.step):
            return _failed("parse", "the step holds a number or a character that JSON can't carry", *parsed.marks)
        return parsed

    def _parse(self, completion: Completion, output: Output) -> Parsed:
        if completion.finish_reason == "length":
            return _failed("truncated", "cut at the token limit")
        if completion.finish_reason == "overflow":
            return _failed("overflow", "the prompt is longer than the model's context window")
        if completion.finish_reason == "content_filter":
            return _failed("refused", "stopped by a content filter")
        if completion.tool_calls:
            call, *more = completion.tool_calls
            return self._call(call.name, call.arguments, "exact", *(["several_calls"] if more else []))
        if not completion.text.strip():
            return _failed("empty", "no text and no tool call")
        if output in OFFERS_TOOLS:
            return self._text_call(completion.text, output)
        return self._text(completion.text)

    # ------------------------------------------------------------------------------------------ native calls

    def _call(self, name: str, arguments: str, form: AnswerForm, *marks: str) -> Parsed:
        if name not in self.function.steps:
            return _failed("intent", f"called {shorten(name, 80)!r}; there are: {', '.join(self.function.steps)}", *marks)
        try:
            args = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            return _failed("arguments", f"arguments aren't JSON: {shorten(str(error), 80)}: {shorten(arguments, 120)!r}", *marks)
        if not isinstance(args, dict):
            return _failed("arguments", f"arguments aren't an object: {shorten(arguments, 120)!r}", *marks)
        picked = self.function.steps[name]
        called = {**args, picked.tag: name}
        if (step := self._strict(called)) is not None:
            return Parsed(step=step, form=form, marks=marks)
        try:
            step = picked.answered(called, strict=False)
        except ValidationError as error:
            return _failed("arguments", f"{name}: {first_fault(error)}", *marks)
        if self.function.asserts:
            return self._asserted(step, called, *marks)
        return Parsed(step=step, form="repaired", marks=marks)

    def _asserted(self, step: Step, called: dict[str, Any], *marks: str) -> Parsed:
        """Hold a call against the assertions of its class, which only BAML knows: what fails one is dropped, or refused."""
        if guard := _too_much(text := json.dumps(called)):
            return _failed("guard", guard, *marks)
        try:
            parsed = self.function.parse(text)
        except ValueError as error:
            return _failed("parse", str(error), *marks)
        held = self.function.step(parsed)
        if held.intent != step.intent:
            return _failed("parse", f"BAML reads a call of {step.intent} as {held.intent}", *marks)
        return Parsed(step=held, form="repaired", marks=marks)

    def _text_call(self, text: str, output: Output) -> Parsed:
        """Recognise a tool call that was written as text: some models and servers never make a native one.

        Other text stands for a step under ``tool_auto``, and is a failure under ``tool``.
        """
        answer = _without_reasoning(text)
        for candidate in _objects(answer):
            arguments = candidate.get("arguments", candidate.get("parameters"))
            if isinstance(candidate.get("name"), str) and isinstance(arguments, dict | str):
                written = arguments if isinstance(arguments, str) else json.dumps(arguments)
                return self._call(candidate["name"], written, "repaired", "text_call")
        if output == "tool_auto" and self.text is not None:
            if not answer:
                return _failed("empty", "nothing but reasoning")
            step = self.function.steps[self.text]
            assert step.text_field is not None
            said = step.step(
                generated.as_json(step.model.model_validate({step.discriminator: step.intent, step.text_field: answer}))
            )
            return Parsed(step=said, form="exact", marks=("text_step",))
        return _failed("no_call", f"text and no tool call: {shorten(text, 120)!r}")

    # ------------------------------------------------------------------------------------------ text

    def _text(self, text: str) -> Parsed:
        answer = _without_reasoning(text)
        if not answer:
            return _failed("empty", "nothing but reasoning")
        parsed = self._answer(answer)
        if answer == text.strip() or parsed.stage == "guard":
            return parsed
        if parsed.form == "exact":
            parsed = parsed.model_copy(update={"form": "wrapped"})
        raw = self._answer(text)
        if raw.stage != "guard" and raw.step != parsed.step:
            return parsed.model_copy(update={"marks": (*parsed.marks, "think_changes")})
        return parsed

    def _answer(self, answer: str) -> Parsed:
        whole = _loads(answer)
        if isinstance(whole, dict) and list(whole) == [WRAPPER] and isinstance(whole[WRAPPER], dict):
            whole = whole[WRAPPER]
            answer = json.dumps(whole, ensure_ascii=False)
        if isinstance(whole, dict) and (step := self._strict(whole)) is not None:
            return Parsed(step=step, form="echo" if _holds_types(step) else "exact")
        if guard := _too_much(answer):
            return _failed("guard", guard)
        try:
            parsed = self.function.parse(answer)
        except ValueError as error:
            return _failed("parse", self._why(answer) or str(error))
        step = self.function.step(parsed)
        return Parsed(step=step, form=self._form(step, answer))

    def _why(self, answer: str) -> str | None:
        """Say what is wrong with the step that an unparsable answer holds; BAML's own reason is written for its authors."""
        for candidate in _objects(answer):
            tag = next((tag for tag in self.function.tags if candidate.get(tag) is not None), None)
            if meant := self.function.meant(candidate):
                try:
                    meant.answered(candidate, strict=False)
                except ValidationError as error:
                    return f"{meant.intent}: {first_fault(error)}"
            elif tag:
                return f"{tag} {shorten(repr(candidate[tag]), 80)} is no step; there are: {', '.join(self.function.steps)}"
        return None if any(tag in answer for tag in self.function.tags) else f"no step in {shorten(answer, 120)!r}"

    def _strict(self, value: dict[str, Any]) -> Step | None:
        """Read a JSON object as a step with no leniency at all."""
        meant = self.function.meant(value)
        if meant is None:
            return None
        try:
            step = meant.answered(value, strict=True)
            if self.function.asserts and (
                _too_much(text := json.dumps(value))
                or self.function.parse(text) != {**step.args, meant.discriminator: step.intent}
            ):
                return None
        except (ValueError, RecursionError):
            return None
        return step

    def _form(self, step: Step, answer: str) -> AnswerForm:
        if _holds_types(step):
            return "echo"
        if any(self._strict(candidate) == step for candidate in _objects(answer)):
            return "wrapped"
        return "echo" if self._echoes and self._echoes.search(answer) else "repaired"


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


def _too_much(text: str) -> str | None:
    """Say why a text is too much for BAML's parser, if it is."""
    brackets, depth = _brackets(text)
    if len(text) > MAX_CHARACTERS or brackets > MAX_BRACKETS or depth > MAX_DEPTH:
        return f"{len(text)} characters, {brackets} brackets, {depth} deep: too much to repair"
    return None


def _storable(step: Step) -> bool:
    try:
        return bool(canonical_json(step.args).encode())
    except ValueError:  # infinity, or half of a surrogate pair
        return False


def _holds_types(step: Step) -> bool:
    """Say whether an argument is the very name of its type: ``"tag": "string"``."""
    return any(value in _TYPE_WORDS for value in step.args.values() if isinstance(value, str))


def _brackets(text: str) -> tuple[int, int]:
    """Count the opening brackets in a text, and how deep they stand in one another."""
    opened = depth = deepest = 0
    for bracket in re.findall(r"[][{}]", text):
        if bracket in "[{":
            opened, depth = opened + 1, depth + 1
            deepest = max(deepest, depth)
        else:
            depth = max(depth - 1, 0)
    return opened, deepest


def _is_json(text: str) -> bool:
    return _loads(text) is not None or text == "null"


def _without_reasoning(text: str) -> str:
    """Cut reasoning out. JSON has none: there ``<think>`` is a part of a value."""
    return (text if isinstance(_loads(text), dict) else _REASONING.sub("", text)).strip()


def _loads(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: BAML and Python's JSON take different ones."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is given twice")
    return value


def _number(digits: str) -> int | float:
    """Read an integer as BAML does: beyond 64 bits it is a float."""
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else float(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_number)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Find the JSON objects that stand in a text, outermost and first ones first; give up after 50 openings."""
    at = 0
    for _ in range(50):
        at = text.find("{", at)
        if at < 0:
            return
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        yield value
