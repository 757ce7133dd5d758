"""The Berkeley Function Calling Leaderboard (BFCL), version 4, from an installed ``bfcl-eval``: a category instead of a file.

The data are those of https://github.com/ShishirPatil/gorilla/tree/main/berkeley-function-call-leaderboard. A question is a list
of turns, each a list of messages, beside the declarations of its functions. Ground truth of one turn is a list of calls, each
``{function: {parameter: [allowed values]}}``: ``""`` says that the parameter may be left out, and objects hold lists of allowed
values again. Ground truth of several turns is the calls of each as Python, which are run by the package's own simulated APIs.

Labels are its authors' (``written``), and those of one turn carry the rules of its checker (``docs/bfcl.md``). Allowed values
that a function's declaration refuses aren't taken over, since no call can have them. Nobody wrote what the agent says: where a
turn ends, or nothing is to be called, the label is the step for what it says, and no thread holds that.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from phrasing.baml.tools.json_schema import Schema, kinds_of, kinds_of_value, properties_of, required_of
from phrasing.baml.tools.names import tool_name
from phrasing.errors import LogError, unknown
from phrasing.importers.bfcl.calls import run_turns
from phrasing.importers.conversation import Call, Conversation, Heard, Item, Result, Turn
from phrasing.texts import loose

TITLE = "BFCL: a category of an installed bfcl-eval, such as multi_turn_base"

SINGLE = (
    *("simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple", "irrelevance"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance", "live_relevance"),
)
MULTI = ("multi_turn_base", "multi_turn_long_context", "multi_turn_miss_func", "multi_turn_miss_param")

WANTED = f"a category: {', '.join((*SINGLE, *MULTI))}"

ORDER_FREE = "order-free"
"""The tag of a case that accepts several of its turn's calls, because either order comes to the same."""

UNFIT = "the ground truth isn't a call that the function's declaration allows"
WITHHELD = "the ground truth calls a function that is withheld there"

MISSING = "bfcl needs two packages, without all that bfcl-eval needs for its own runs: pip install --no-deps bfcl-eval mpmath"


def questions(category: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Give each question of a category with its place and its ground truth, ``None`` where the category has none.

    Raises ``LogError`` where the category or the package isn't there.
    """
    if category not in (*SINGLE, *MULTI):
        raise LogError(unknown("category of BFCL", category, (*SINGLE, *MULTI)))
    data = _package() / "data"
    name = f"BFCL_v4_{category}.json"
    if not (data / name).exists():
        raise LogError(f"the bfcl-eval that is installed has no {name}; another version may have it", where=str(data))
    answers = data / "possible_answer" / name
    truth = {line["id"]: line["ground_truth"] for line in _lines(answers)} if answers.exists() else {}
    for number, question in enumerate(_lines(data / name), start=1):
        yield f"{name}:{number}", question, truth.get(question["id"])


def records(category: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the records of a category with their places: questions with ground truth, that of several turns run."""
    for place, question, truth in questions(category):
        record = {**question, "category": category, "ground_truth": truth}
        yield place, _run(record) if category in MULTI else record


def read(record: Any) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where its ground truth contradicts its functions."""
    yield from _talk(record) if "turns" in record else _question(record)


def _package() -> Path:
    """Find the package; importing it as a whole would need all its dependencies."""
    found = importlib.util.find_spec("bfcl_eval")
    if found is None or not found.submodule_search_locations or importlib.util.find_spec("mpmath") is None:
        raise LogError(MISSING)
    return Path(found.submodule_search_locations[0])


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# ---------------------------------------------------------------------------------------------- several turns


def _run(record: dict[str, Any]) -> dict[str, Any]:
    """Run the calls of a conversation. The package adds declarations, and what is said when functions are given back."""
    backends = importlib.import_module("bfcl_eval.constants.executable_backend_config")
    prompts = importlib.import_module("bfcl_eval.constants.default_prompts")
    folder = _package() / "data" / "multi_turn_func_doc"
    files = [folder / backends.MULTI_TURN_FUNC_DOC_FILE_MAPPING[name] for name in record["involved_classes"]]
    returned = [{"role": "user", "content": prompts.DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC}]
    withheld = record.get("missed_function", {})
    turns = [
        {"messages": returned if str(number) in withheld else messages, "calls": [dataclasses.asdict(call) for call in calls]}
        for number, (messages, calls) in enumerate(
            zip(record["question"], run_turns(record, record["ground_truth"]), strict=True)
        )
    ]
    return {**record, "turns": turns, "function": [tool for file in files for tool in _lines(file)]}


def _talk(record: dict[str, Any]) -> Iterator[Conversation]:
    """Read a conversation. Where functions are withheld for some turns, these are one of their own, and history of the rest."""
    tools = {tool["name"]: tool for tool in record["function"]}
    withheld = {int(number): names for number, names in record.get("missed_function", {}).items()}
    hidden = [name for names in withheld.values() for name in names]
    items: list[Item] = []
    for number, turn in enumerate(record["turns"]):
        if number in withheld:
            yield _conversation(record, items, hidden)
            items = [dataclasses.replace(item, given=True) if isinstance(item, Turn) else item for item in items]
            hidden = [name for name in hidden if name not in withheld[number]]
        items += _messages(turn["messages"])
        if any(call["name"] in hidden for call in turn["calls"]):
            raise ValueError(WITHHELD)
        items += [*_ran(turn["calls"], tools), Turn(None)]
    yield _conversation(record, items, hidden)


def _ran(calls: Sequence[Mapping[str, Any]], tools: Mapping[str, Mapping[str, Any]]) -> Iterator[Item]:
    """Read the calls of a turn that were run, each with its result; of those whose order is free, each may be the next."""
    for call in calls:
        labels = [_ran_label(one, tools[one["name"]]) for one in (call, *(calls[i] for i in call["also"]))]
        tags = (ORDER_FREE,) if call["also"] else ()
        yield Turn(calls=(Call(call["name"], call["arguments"]),), labels=tuple(labels), tags=tags)
        yield Result(call["result"])


def _ran_label(call: Mapping[str, Any], tool: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Label a call that was run. An argument with its default's value may be left out, and the other way round."""
    defaults, required = call["defaults"], required_of(tool["parameters"])
    args: dict[str, JsonValue] = {}
    for name, schema in properties_of(tool["parameters"]).items():
        value = call["arguments"].get(name, defaults.get(name))
        without = name not in required and value == defaults.get(name)
        args[name] = _any([value] if value is not None and allows(value, schema) else [], without=without)
    return _label(tool["name"], args)


# ---------------------------------------------------------------------------------------------- one turn


def _question(record: dict[str, Any]) -> Iterator[Conversation]:
    functions = {tool["name"]: tool for tool in record["function"]}
    any_call = [{name: None} for name in functions] if record["category"] == "live_relevance" else []
    truth = record["ground_truth"] or any_call
    calls = [(name, allowed) for call in truth for name, allowed in call.items()]
    if any(name not in functions for name, _ in calls):
        raise ValueError(UNFIT)
    labels: list[dict[str, JsonValue]] = [
        {"intent": tool_name(name)} if allowed is None else _label(name, _object(allowed, functions[name]["parameters"]))
        for name, allowed in calls
    ]
    heard = [item for messages in record["question"] for item in _messages(messages)]
    made = tuple(Call(name, {}) for name, _ in calls)
    turn = Turn(calls=made, labels=tuple(labels), together=not any_call) if calls else Turn(None)
    yield _conversation(record, [*heard, turn])


def _object(allowed: Mapping[str, Any], schema: Schema, *, inside: bool = False) -> dict[str, JsonValue]:
    """Write arguments, or an object ``inside`` them, as a label: each key's allowed values, and nothing for one without."""
    properties, required = properties_of(schema), required_of(schema)
    if (properties and allowed.keys() - properties.keys()) or set(required) - allowed.keys():
        raise ValueError(UNFIT)
    return {
        key: _values(allowed[key], inner, required=key in required, inside=inside) if key in allowed else None
        for key, inner in (properties or {key: {} for key in allowed}).items()
    }


def _values(allowed: Any, schema: Schema, *, required: bool, inside: bool) -> JsonValue:
    """Write the allowed values of an argument. A list that may be left out may be empty as well.

    A default that the declaration itself refuses is given by leaving the argument out. Raises ``ValueError`` where another value
    is refused and none stays: a label of what stays would call right answers wrong.
    """
    given = [value for value in (allowed if isinstance(allowed, list) else [allowed]) if value is not None]
    fit = [value for value in given if allows(value, schema)]
    if all(value == "" for value in fit) and any(value not in ("", schema.get("default")) for value in given):
        raise ValueError(UNFIT)
    if "" in given and "array" in kinds_of(schema) and not inside:
        fit.append([])
    without = not required and (allowed != given or "" in given)
    return _any([_written(value, schema, inside=inside) for value in fit], without=without)


def _written(value: Any, schema: Schema, *, inside: bool) -> JsonValue:
    """Write a value as BFCL's checker compares it: ``inside`` an object 3.0 is 3, and texts of a list are compared exactly."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [
            _exact(item, items) if inside or isinstance(item, list) else _written(item, items, inside=False) for item in value
        ]
    if isinstance(value, dict):
        return {"$only": _object(value, schema, inside=True)}
    if isinstance(value, int) and not isinstance(value, bool) and not inside and kinds_of(schema) == ("int",):
        return {"$int": value}
    return {"$loose": value} if isinstance(value, str) and value else value


def _exact(value: Any, schema: Schema) -> JsonValue:
    """Write an element of a list that is compared to the letter; objects hold allowed values even there."""
    if isinstance(value, list):
        return [_exact(item, schema.get("items") or {}) for item in value]
    return _written(value, schema, inside=True) if isinstance(value, dict) else value


def _messages(messages: Sequence[Mapping[str, str]]) -> Iterator[Item]:
    """Read messages. Instructions stay among them: they belong to one question, and say what its answer follows from."""
    for message in messages:
        if message["role"] == "assistant":
            yield Turn(message["content"], given=True)
        else:
            yield Heard(message["content"], f"{message['role']}_message")


# ---------------------------------------------------------------------------------------------- both


def _conversation(record: Mapping[str, Any], items: Sequence[Item], hidden: Sequence[str] = ()) -> Conversation:
    return Conversation(
        items=tuple(items),
        id=record["id"],
        tools=tuple(tool for tool in record["function"] if tool["name"] not in hidden),
        meta={
            "category": record["category"],
            **({"involved_classes": ", ".join(record["involved_classes"])} if "involved_classes" in record else {}),
            **({"withheld": ", ".join(hidden)} if hidden else {}),
        },
        strength="written",
    )


def _label(name: str, args: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {"intent": tool_name(name), **({"args": dict(args)} if args else {}), "only": True}


def _any(values: Sequence[JsonValue], *, without: bool) -> JsonValue:
    """Accept one of some values, and ``without`` nothing as well."""
    choices = [*values, *([None] if without else [])]
    if not choices:
        raise ValueError(UNFIT)
    return choices[0] if len(choices) == 1 else {"$any_of": choices}


def allows(value: Any, schema: Schema) -> bool:
    """Whether a declaration allows a value; what stands in objects is seen to where they are written."""
    if "enum" in schema and not any(_alike(value, one) for one in schema["enum"]):
        return False
    kinds = kinds_of(schema)
    if kinds and "any" not in kinds and kinds_of_value(value).isdisjoint(kinds):
        return False
    return not isinstance(value, list) or all(allows(one, schema.get("items") or {}) for one in value)


def _alike(one: Any, other: Any) -> bool:
    return loose(one) == loose(other) if isinstance(one, str) and isinstance(other, str) else bool(one == other)
