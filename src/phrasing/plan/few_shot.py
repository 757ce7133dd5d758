"""Examples (few-shot): cases that are shown with their answers, by the same format as the thread, and so aren't asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue, ValidationError

from phrasing.baml import generated
from phrasing.baml.project import Function
from phrasing.baml.step_schemas import first_fault
from phrasing.baml.steps import StepType
from phrasing.errors import DatasetError, FormatError, unknown
from phrasing.prompts import formats, notations, probe
from phrasing.prompts.formats import Format, json_text
from phrasing.prompts.notations import NotationFile, Told
from phrasing.score import builtin
from phrasing.suite import dataset
from phrasing.suite.dataset import Dataset
from phrasing.suite.file import Place
from phrasing.suite.schema import Agent
from phrasing.types import Case, CaseNote, Event, Message, Parsed, Rendering, Step, Thread


@dataclass(frozen=True)
class Example:
    """A case with its answer: as text after its ``thread``, or as the last step of the ``answered`` one.

    ``told`` is the answer as a notation is given it. ``functions`` are those that can give it.
    """

    case: str
    thread: Thread
    answer: str
    answered: Thread
    told: Told
    functions: tuple[Function, ...]

    def written(self, notation: NotationFile | None) -> str:
        """Write the answer: in a notation, or as JSON. Raises ``FormatError``."""
        if notation is None:
            return self.answer
        first, *others = dict.fromkeys(notations.write(notation, self.told, function) for function in self.functions)
        if others:
            raise notation.error(f"writes the answer of example {self.case!r} differently for functions that share it")
        return first


def choose(
    place: Place, agent: Agent, read: Dataset, functions: Sequence[Function], wrong: Mapping[str, str]
) -> tuple[Example, ...]:
    """Make the examples that an agent names. ``wrong`` is what ``check`` said of the answers of its dataset, by case.

    Raises ``SuiteError`` for a name that isn't there and where no function takes examples, ``DatasetError`` for a wrong answer.
    """
    cases = read.notes.keys()
    if agent.examples and not any(function.takes_examples for function in functions):
        message = "no function takes them; one that does is (thread: string, examples: string)"
        raise place.at("examples").error(message)
    for number, name in enumerate(agent.examples):
        if name not in cases:
            raise place.at("examples").error(unknown("case", name, cases), number)
    made = {}
    for name in sorted({*agent.examples, *wrong}, key=read.lines.__getitem__):
        try:
            if name in wrong:
                raise ValueError(wrong[name])
            made[name] = make(read.cases.of(name), functions, number=agent.examples.index(name) + 1)
        except ValueError as error:
            raise DatasetError(str(error), where=read.where(name)) from None
    return tuple(made[name] for name in agent.examples)


def check(case: Case, functions: Sequence[Function]) -> None:
    """Hold a case's answer against its labels and against the steps of the functions that have it.

    Raises ``ValueError`` unless it is a right step, to the letter.
    """
    if case.answer is None:
        return
    intent, args = case.answer.intent, case.answer.args
    having = [function for function in functions if intent in function.steps]
    if not having:
        raise ValueError(f"answer: {unknown('intent', intent, {step for function in functions for step in function.steps})}")
    for function in having:
        _check_arguments(function.steps[intent], intent, args)
    scores = builtin.score(case, Parsed(step=case.answer, form="exact"))
    if scores["step"].value != 1 or scores["harm"].value == 1:
        reason = scores["harm"].reason if scores["harm"].value else scores["step"].reason
        raise ValueError(f"answer: {intent} is no right step by the labels: {reason}")


def _check_arguments(step: StepType, intent: str, args: Mapping[str, JsonValue]) -> None:
    """Hold an answer's arguments against the class of its step."""
    for name in args:
        if name not in step.fields:
            raise ValueError(f"answer: {intent}: {unknown('argument', name, step.fields)}")
    try:
        read = generated.as_json(step.read(args), only_given=True)
    except ValidationError as error:
        raise ValueError(f"answer: {intent}: {first_fault(error)}") from None
    lost = next((name for name in args if read[name] != args[name]), None)
    if lost is not None:  # a nested key that the class doesn't have
        raise ValueError(f"answer: {intent}: {lost}: got {json.dumps(args[lost])}, of which {json.dumps(read[lost])} fits")


def make(case: Case, functions: Sequence[Function], *, number: int) -> Example:
    """Make an example of a case. Raises ``ValueError`` where it has no answer that the functions which take examples could give.

    Calls are named after the example's ``number``: in a list of messages no two may have the same name.
    """
    if case.answer is None:
        raise ValueError('no answer, which an example needs: "answer": {"intent": …, "args": {…}}, one right step in full')
    written = _written(case.answer, functions)
    tags = {function.steps[case.answer.intent].tag for function in functions if case.answer.intent in function.steps}
    written_step = written[0] if isinstance(written, list) else written
    fields = written_step.items() if isinstance(written_step, dict) else ()
    args = {k: v for k, v in fields if k not in tags}
    try:
        last = Event(type=case.answer.intent, data=args, role="step")
    except ValidationError as error:
        raise ValueError(f"answer: {first_fault(error)}") from None
    steps = frozenset(step for function in functions for step in function.steps)
    whole, _ = dataset.infer_roles(Thread(events=(*case.thread.events, last)), steps)
    named = [event if event.call is None else replace(event, call=f"example_{number}_{event.call}") for event in whole.events]
    thread, _ = dataset.infer_roles(case.thread, steps)
    told = {"intent": case.answer.intent, "args": args}
    showing = tuple(function for function in functions if function.takes_examples)
    return Example(case.id, thread, json_text(written), Thread(events=tuple(named)), told, showing)


def _written(answer: Step, functions: Sequence[Function]) -> Any:
    """Write an answer as a model would, so that it looks like what is asked for: all functions must have it written alike."""
    for function in functions:
        if function.takes_examples and answer.intent not in function.steps:
            raise ValueError(f"answer: {unknown('intent', answer.intent, function.steps)} (the steps of {function.name})")
    written = ((f, f.steps[answer.intent].written(answer.args)) for f in functions if answer.intent in f.steps)
    first, *others = ([one] if function.many else one for function, one in written)
    if any(json_text(other) != json_text(first) for other in others):
        raise ValueError(f"answer: {', '.join(function.name for function in functions)} name its fields differently")
    return first


def _noted(format: Format, rendering: Sequence[Message], example: Example, notation: NotationFile) -> list[Message]:
    """Write the answer in the assistant's last message in a notation. Raises ``FormatError`` where it isn't there as JSON."""
    answers = [at for at, message in enumerate(rendering) if message["role"] == "assistant"]
    said = rendering[answers[-1]].get("content") if answers else None
    try:
        ends = isinstance(said, str) and json.loads(said) == json.loads(example.answer)
    except ValueError:
        ends = False
    if not ends:
        message = f"doesn't end with its answer as JSON, so notation {notation.name!r} can't take that place"
        raise FormatError(message, where=str(format.path))
    return [
        {**message, "content": example.written(notation)} if at == answers[-1] else message
        for at, message in enumerate(rendering)
    ]


def others(cases: Mapping[str, CaseNote], examples: Sequence[str]) -> dict[str, CaseNote]:
    """Leave out the examples, and all cases of their groups: they may share a thread."""
    clusters = {cases[name].group or name for name in examples if name in cases}
    return {name: note for name, note in cases.items() if (note.group or name) not in clusters}


def render(format: Format, examples: Sequence[Example], notation: NotationFile | None = None) -> Rendering:
    """Render examples by a format: texts with their answers, a blank line between, or messages with the answers as steps.

    ``notation``: the answers are written so.
    """
    texts: list[str] = []
    messages: list[Message] = []
    for example in examples:
        try:
            thread = example.thread
            if not isinstance(formats.render(format, thread), str):
                thread = example.answered
            probe.probe(format, thread)
            rendering = formats.render(format, thread)
            if isinstance(rendering, str):
                texts += [rendering, example.written(notation)]
            else:
                messages += rendering if notation is None else _noted(format, rendering, example, notation)
        except FormatError as error:
            raise FormatError(f"{error} (example {example.case!r})") from None
    if texts and messages:
        raise FormatError("makes text of one example and messages of another", where=str(format.path))
    return messages or "\n\n".join(texts)
