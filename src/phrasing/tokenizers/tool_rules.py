"""How tools and an enforced schema are shown to a model, by provider: what is published of it, or else between which bounds.

A provider turns the tools of a request into text of its own, and bills it. Few say which text. A rule gives the least that a
model may read, and the most where the two aren't the same. Sources:

- OpenAI: the cookbook's "How to count tokens with tiktoken", section 7, for ``gpt-4o``, ``gpt-4o-mini``, ``gpt-4`` and
  ``gpt-3.5-turbo``, with the API's own counts beside it: https://github.com/openai/openai-cookbook. It knows of properties that
  have a simple type and a description. Of an enforced schema nothing is published.
- Anthropic: "Tool use system prompt token count" on https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview, as of
  the edition that lists Claude Opus 4.8. Names, descriptions and schemas come on top; how they are written isn't said.
- Qwen2.5: the chat template in its files writes each tool as JSON with blanks on a line of its own, between instructions.
- llama.cpp doesn't show an enforced schema: it only holds the answer to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tool = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """Texts, each encoded by itself, and so many tokens ``around`` them whose text isn't known."""

    texts: tuple[str, ...] = ()
    around: int = 0


NOTHING = Written()


@dataclass(frozen=True, slots=True)
class Shown:
    """The ``least`` that a model reads, and the ``most``; ``None``: the least is all of it."""

    least: Written = NOTHING
    most: Written | None = None


@dataclass(frozen=True)
class ToolRule:
    """What is assumed of models whose provider publishes nothing: a range. Equal rules show everything alike.

    ``name`` tells rules apart, ``says`` is what a report says of counts made by it, without a full stop.
    """

    name: str = "unpublished"
    says: str = "how they and an enforced schema are shown isn't published, so they count as a range"

    def tools(self, tools: Sequence[Tool]) -> Shown:
        """Say how tools are shown: from their words alone to indented JSON with the longest instructions that are published."""
        return Shown(Written((_words(tools),)), Written(tuple(map(_indented, tools)), MOST_AROUND))

    def schema(self, response_format: Tool) -> Shown:
        """Say how an enforced schema is shown: from not at all to indented JSON."""
        return Shown(NOTHING, Written((_indented(response_format),)))


@dataclass(frozen=True)
class OpenAI(ToolRule):
    """OpenAI's published rule, with its numbers of tokens. A function or property that it doesn't cover makes a range."""

    name: str = "OpenAI"
    says: str = (
        "they count by the rule that OpenAI publishes with the usage of one tool beside it; what it doesn't cover, and an "
        "enforced schema, count as a range"
    )
    per_function: int = 7

    def tools(self, tools: Sequence[Tool]) -> Shown:
        """Say how tools are shown."""
        least: list[str] = []
        most: list[str] = []
        around, covered = _ALL_FUNCTIONS, True
        for function in (tool["function"] for tool in tools):
            around += self.per_function
            if _covered(function):
                texts, more = _by_openai(function)
                least, most, around = [*least, *texts], [*most, *texts], around + more
            else:
                covered = False
                least, most = [*least, _words(function)], [*most, _indented(function)]
        written = Written(tuple(least), around)
        return Shown(written, None if covered else Written(tuple(most), around))


@dataclass(frozen=True)
class Anthropic(ToolRule):
    """Anthropic's table: ``auto`` and ``forced`` tokens of instructions, by whether a call is required; then the tools' JSON."""

    name: str = "Anthropic"
    says: str = (
        "they count as a range, the instructions of Anthropic's table and their JSON, and so does an enforced schema; a "
        "published rule, not held against usage; Claude's vocabulary isn't public"
    )
    auto: int = 0
    forced: int = 0

    def tools(self, tools: Sequence[Tool]) -> Shown:
        """Say how tools are shown."""
        low, high = sorted((self.auto, self.forced))
        return Shown(Written((_words(tools),), low), Written(tuple(map(_indented, tools)), high))

    def schema(self, response_format: Tool) -> Shown:
        """Say how an enforced schema is shown: not at all, or up to what a tool of its own would be."""
        return Shown(NOTHING, Written((_indented(response_format),), max(self.auto, self.forced)))


@dataclass(frozen=True)
class LlamaCpp(ToolRule):
    """A server such as llama.cpp's under a chat template that isn't known here."""

    name: str = "llama.cpp"
    says: str = (
        "how the model's chat template shows them isn't known, so they count as a range; an enforced schema adds nothing, "
        "because llama.cpp doesn't show it"
    )

    def schema(self, response_format: Tool) -> Shown:
        """Say that an enforced schema isn't shown."""
        return Shown()


@dataclass(frozen=True)
class Qwen(LlamaCpp):
    """Qwen2.5's own chat template, served by llama.cpp."""

    name: str = "Qwen2.5"
    says: str = (
        "they count as Qwen2.5's chat template writes them, which was held against recorded usage; an enforced schema adds "
        "nothing, because llama.cpp doesn't show it"
    )

    def tools(self, tools: Sequence[Tool]) -> Shown:
        """Say how tools are shown."""
        return Shown(Written(tuple(_line(tool) for tool in tools), _QWEN_AROUND))


UNPUBLISHED = ToolRule()
LLAMA_CPP = LlamaCpp()
QWEN = Qwen()

_OPENAI = (
    (re.compile(r"gpt-4o(-mini)?(-\d{4}-\d\d-\d\d)?"), OpenAI("OpenAI's gpt-4o", per_function=7)),
    (re.compile(r"gpt-(4|3\.5-turbo)(-\d{4})?"), OpenAI("OpenAI's gpt-4", per_function=10)),
)

_ANTHROPIC = {
    "opus-4-8": (290, 410),
    "opus-4-7": (675, 804),
    "opus-4-6": (497, 589),
    "opus-4-5": (496, 588),
    "opus-4-1": (313, 315),
    "opus-4": (313, 315),
    "sonnet-5": (354, 474),
    "sonnet-4-6": (497, 589),
    "sonnet-4-5": (496, 588),
    "sonnet-4": (313, 315),
    "haiku-4-5": (496, 588),
    "3-5-haiku": (264, 355),
}
"""Tokens of instructions by model: where the model may answer without a call, and where a call is required."""

MOST_AROUND = max(map(max, _ANTHROPIC.values()))
"""The longest instructions about tools that any provider publishes, in tokens."""


def openai(model: str) -> ToolRule:
    """Give the rule of a model of OpenAI's, by its name there."""
    return next((rule for names, rule in _OPENAI if names.fullmatch(model)), UNPUBLISHED)


def anthropic(model: str) -> ToolRule:
    """Give the rule of a model of Anthropic's, by its name there."""
    found = re.fullmatch(r"claude-(.+?)(?:-0)?(?:-\d{8}|-latest)?", model)
    known = _ANTHROPIC.get(found[1]) if found else None
    return Anthropic(f"Anthropic's {found[1]}", auto=known[0], forced=known[1]) if found and known else UNPUBLISHED


# ---------------------------------------------------------------------------------------------- how things are written

_ALL_FUNCTIONS, _PROPERTIES, _PROPERTY, _ENUM, _ENUM_ITEM = 12, 3, 3, -3, 3
"""OpenAI's numbers: once for all functions, once for the properties of one, for each property, for an enum, for each item."""

_SIMPLE = ("string", "number", "integer", "boolean")

_QWEN_AROUND = 87
"""The tokens of the template's own words around the tools, by o200k_base and by cl100k_base."""


def _covered(function: Tool) -> bool:
    """Whether OpenAI's rule says how to count a function."""
    parameters = function.get("parameters") or {}
    return (
        "description" in function
        and "properties" in parameters
        and parameters.keys() <= {"type", "properties", "required", "additionalProperties"}
        and all(map(_covered_property, parameters["properties"].values()))
    )


def _covered_property(schema: Tool) -> bool:
    simple = schema.get("type") in _SIMPLE and isinstance(schema.get("description"), str)
    return simple and schema.keys() <= {"type", "description", "enum"} and all(isinstance(v, str) for v in schema.get("enum", ()))


def _by_openai(function: Tool) -> tuple[list[str], int]:
    """Give the texts that OpenAI's rule counts for a function, and the tokens that it adds for its properties."""
    properties = function["parameters"]["properties"]
    texts, around = [f"{function['name']}:{_no_stop(function['description'])}"], _PROPERTIES if properties else 0
    for name, schema in properties.items():
        texts += [*schema.get("enum", ()), f"{name}:{schema['type']}:{_no_stop(schema['description'])}"]
        around += _PROPERTY
        around += _ENUM + _ENUM_ITEM * len(schema["enum"]) if "enum" in schema else 0
    return texts, around


def _no_stop(text: str) -> str:
    return text.removesuffix(".")


def _indented(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2)


def _line(tool: Tool) -> str:
    """Write a tool as Qwen2.5's template does: the function's name first."""
    function = tool["function"]
    first = {key: function[key] for key in ("name", "description", "parameters") if key in function}
    return json.dumps({"type": tool["type"], "function": {**first, **function}}, ensure_ascii=False) + "\n"


def _words(schema: Any) -> str:
    """Write the names, descriptions and allowed values of a schema, and nothing else: no rendering can do with less."""
    return " ".join(_said(schema))


def _said(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "properties" and isinstance(value, Mapping):
                for name, held in value.items():
                    yield name
                    yield from _said(held)
            elif key == "const" or (key in ("name", "description") and isinstance(value, str)):
                yield str(value)
            elif key == "enum":
                yield from map(str, value)
            elif isinstance(value, Mapping | list):
                yield from _said(value)
    elif isinstance(schema, Sequence) and not isinstance(schema, str):
        for held in schema:
            yield from _said(held)
