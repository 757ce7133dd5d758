"""Answers: what a model said, as a step with the answer's form, or the stage and reason of its failure.

Text goes through BAML's schema-aligned parser, which repairs a good deal. ``form`` says how much it had to:

========== ===========================================================================================
exact      the answer is a JSON object that holds the step, to the letter
wrapped    such an object stands in prose, a fence, or behind reasoning: no fault
repaired   BAML made a step of it all the same (unquoted keys, coerced values, a cut string ...)
echo       the schema was given back as if it were an answer (``"environment": "staging" or "production"``)
unparsable no step
========== ===========================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from phrasing.baml import Function
from phrasing.errors import shorten
from phrasing.prompts import Template
from phrasing.schemas import WRAPPER
from phrasing.types import AnswerForm, Completion, FailureStage, Output, Parsed, Step, canonical_json

MAX_CHARACTERS = 50_000
MAX_BRACKETS = 300
"""What BAML's parser is given at most where the answer isn't plain JSON: its cost grows with the square of the brackets, and it
holds the interpreter meanwhile (400 objects: 0.4 s; 2,000: 20 s)."""

_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_TYPE_WORDS = frozenset({"string", "int", "float", "bool", "null", "string or null"})


@dataclass(frozen=True)
class Parser:
    """Parses answers to one function's prompt."""

    template: Template

    @property
    def function(self) -> Function:
        """The function whose steps are looked for."""
        return self.template.function

    @cached_property
    def _echoes(self) -> re.Pattern[str] | None:
        """Match a field that stands with its type in place of a value, as the prompt's schema writes it."""
        patterns = []
        for line in self.template.schema.splitlines():
            field = re.fullmatch(r'\s*"?(\w+)"?\??\s*:\s*(.+?),?\s*', line)
            if field and not _is_json(field[2]) and field[2] not in ("{", "["):
                patterns.append(rf'"?{field[1]}"?\s*:\s*' + r"\s+".join(map(re.escape, field[2].split())))
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
            return _failed("truncated", "cut at the token limit", "truncated")
        if completion.finish_reason == "overflow":
            return _failed("overflow", "the prompt is longer than the model's context window")
        if completion.finish_reason == "content_filter":
            return _failed("refused", "stopped by a content filter")
        if completion.tool_calls:
            call, *more = completion.tool_calls
            return self._call(call.name, call.arguments, "exact", *(["several_calls"] if more else []))
        if not completion.text.strip():
            return _failed("empty", "no text and no tool call")
        if output == "tool":
            return self._text_call(completion.text)
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
        called = {**args, "intent": name}
        if (step := self._strict(called)) is not None:
            return Parsed(step=_step(step), form=form, marks=marks)
        try:
            step = self.function.steps[name].model.model_validate(called)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            field = ".".join(map(str, first["loc"]))
            return _failed("arguments", f"{field}: {first['msg']}, got {shorten(repr(first['input']), 120)}", *marks)
        return Parsed(step=_step(step), form="repaired", marks=marks)

    def _text_call(self, text: str) -> Parsed:
        """Recognise a tool call that was written as text: some models and servers never make a native one."""
        for candidate in _objects(_REASONING.sub("", text)):
            arguments = candidate.get("arguments", candidate.get("parameters"))
            if isinstance(candidate.get("name"), str) and isinstance(arguments, dict | str):
                written = arguments if isinstance(arguments, str) else json.dumps(arguments)
                return self._call(candidate["name"], written, "repaired", "text_call")
        return _failed("no_call", f"text and no tool call: {shorten(text, 120)!r}")

    # ------------------------------------------------------------------------------------------ text

    def _text(self, text: str) -> Parsed:
        answer = _REASONING.sub("", text).strip()
        if not answer:
            return _failed("empty", "nothing but reasoning")
        parsed = self._answer(answer)
        if len(answer) < len(text.strip()) and parsed.stage != "guard":
            raw = self._answer(text)
            if raw.step != parsed.step:
                return parsed.model_copy(update={"marks": (*parsed.marks, "think_changes")})
            if parsed.form == "exact":
                return parsed.model_copy(update={"form": "wrapped"})
        return parsed

    def _answer(self, answer: str) -> Parsed:
        whole = _loads(answer)
        if isinstance(whole, dict) and list(whole) == [WRAPPER] and isinstance(whole[WRAPPER], dict):
            whole = whole[WRAPPER]
            answer = json.dumps(whole, ensure_ascii=False)
        if isinstance(whole, dict) and (step := self._strict(whole)) is not None:
            return Parsed(step=_step(step), form="echo" if _holds_types(step) else "exact")
        if len(answer) > MAX_CHARACTERS or sum(map(answer.count, "{[")) > MAX_BRACKETS:
            return _failed("guard", f"{len(answer)} characters, {sum(map(answer.count, '{['))} brackets: too much to repair")
        try:
            step = self.function.parse(answer)
        except ValueError as error:
            return _failed("parse", str(error))
        return Parsed(step=_step(step), form=self._form(step, answer))

    def _strict(self, value: dict[str, Any]) -> BaseModel | None:
        """Read a JSON object as a step with no leniency at all."""
        intent = value.get("intent")
        if not isinstance(intent, str) or intent not in self.function.steps:
            return None
        try:
            return self.function.steps[intent].model.model_validate(value, strict=True)
        except ValidationError:
            return None

    def _form(self, step: BaseModel, answer: str) -> AnswerForm:
        if _holds_types(step):
            return "echo"
        if any(self._strict(candidate) == step for candidate in _objects(answer)):
            return "wrapped"
        return "echo" if self._echoes and self._echoes.search(answer) else "repaired"


def _failed(stage: FailureStage, reason: str, *marks: str) -> Parsed:
    return Parsed(stage=stage, reason=reason, marks=marks)


def _step(answer: BaseModel) -> Step:
    args = answer.model_dump(mode="json")
    return Step(intent=args.pop("intent"), args=args)


def _storable(step: Step) -> bool:
    try:
        return bool(canonical_json(step.args).encode())
    except ValueError:  # infinity, or half of a surrogate pair
        return False


def _holds_types(step: BaseModel) -> bool:
    """Say whether an argument is the very name of its type: ``"tag": "string"``."""
    return any(value in _TYPE_WORDS for name, value in step if name != "intent" and isinstance(value, str))


def _is_json(text: str) -> bool:
    return _loads(text) is not None or text == "null"


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Find the JSON objects that stand in a text, outermost and first ones first; give up after 50 openings."""
    decoder = json.JSONDecoder()
    at = 0
    for _ in range(50):
        at = text.find("{", at)
        if at < 0:
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        yield value
