"""A list of tools as a BAML file: a class a tool, and a function that picks one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from phrasing.baml.tools.json_schema import property_names
from phrasing.baml.tools.lists import Tool
from phrasing.baml.tools.names import field_name, free_name, tool_name
from phrasing.baml.tools.types import Types, raw
from phrasing.errors import BamlError, UserError
from phrasing.messages import check_text

FUNCTION = "DetermineNextStep"
"""What the names of functions begin with here."""

TAGS = ("intent", "step", "next_step", "chosen_step")
"""What the field may be called that tells the steps apart: the first that no argument has, so that arguments keep their names."""

TEXT = "respond.message"
"""The step, and its field, that what an agent says becomes."""

INSTRUCTIONS = "You are shown what has happened so far, oldest first. Pick the one next step."
QUESTION = "What is the next step? Answer with one JSON object and nothing else."

SEVERAL_INSTRUCTIONS = (
    "You are shown what has happened so far, oldest first. Pick the next step, or several where none needs another one's result."
)
SEVERAL_QUESTION = "What comes next? Answer with a JSON list of steps, often only one, and nothing else."

_CLIENT = """client<llm> {name} {{
  provider openai
  options {{
    model "gpt-4.1-mini"
    api_key env.OPENAI_API_KEY
  }}
}}
"""
_WIDE = 130
_DEFINED = re.compile(
    r"^\s*(class|enum|type|function|client\s*<\s*llm\s*>|template_string|test|retry_policy|generator)\s+(\w+)", re.M
)


@dataclass(frozen=True)
class Defined:
    """What BAML sources define: all ``names``, and of these the ``functions`` and ``clients``."""

    names: frozenset[str]
    functions: frozenset[str]
    clients: tuple[str, ...]


def defined(sources: Collection[str]) -> Defined:
    """Find the names that BAML sources define. One that only stands in a comment or a prompt may be among them."""
    found = [match.groups() for source in sources for match in _DEFINED.finditer(source)]
    return Defined(
        frozenset(name for _, name in found),
        frozenset(name for kind, name in found if kind == "function"),
        tuple(name for kind, name in found if kind.startswith("client")),
    )


@dataclass(frozen=True)
class Written:
    """A BAML file, with its ``functions``. ``renamed`` and ``unsaid`` are lines for a person: other names, and what BAML can't
    say."""

    text: str
    functions: tuple[str, ...]
    classes: int
    renamed: tuple[str, ...]
    unsaid: tuple[str, ...]


def write_baml(
    functions: Mapping[str, Sequence[Tool]],
    *,
    text: str | None = TEXT,
    instructions: str | None = None,
    around: Defined | None = None,
    several: bool = False,
    verb: str = "import-tools",
) -> Written:
    """Write the BAML of some tools, with a function over them; or several functions, which share what tools they have in common.

    ``text`` is ``NAME.FIELD``, a step for what the agent says, or ``None`` for none. ``instructions`` stand in the system
    message as they are, but for outer white space (``None``: ours). ``several``: each function returns a list of steps.
    ``around`` is what the other files of the project define: their names are avoided, and their first client is used. ``verb``
    is ours that makes the file. Raises ``UserError`` for names that can't be, and a tool that takes no object.
    """
    around = around or defined(())
    for function in functions:
        _check_name(function, around)
    first = next(iter(functions))
    client = around.clients[0] if around.clients else free_name("Playground", around.names)
    prefix = first.removeprefix(FUNCTION) or first
    every = [tool for tools in functions.values() for tool in tools]
    try:
        fields = {name for tool in every for name in property_names(tool.parameters)}  # no class may have the name of a field
        tag = next((name for name in TAGS if name not in fields), TAGS[0])
        types = Types({*around.names, *fields, *functions, client}, prefix[0].upper() + prefix[1:], tag)
        steps = _steps(types, functions)
    except RecursionError:
        raise UserError("a tool has arguments in too many levels") from None
    if text is not None:
        said = _text_step(types, text, every, tag)
        steps = {function: [*classes, said] for function, classes in steps.items()}
    count = len({tool.name for tool in every})
    prompt = raw(_prompt(instructions, several=several))
    parts = [
        f"// The steps of {count} tool{'s' * (count != 1)}, made by `phrasing {verb}`. The file is yours to edit.\n",
        *([] if around.clients else [_CLIENT.format(name=client)]),
        types.text,
        *(
            f"{_signature(function, classes, several=several)}\n  client {client}\n  prompt {prompt}\n}}\n"
            for function, classes in steps.items()
        ),
    ]
    whole = "\n".join(parts)
    try:
        check_text("the list of tools or the instructions", whole)
    except ValueError as error:
        raise BamlError(str(error)) from None
    return Written(whole, tuple(functions), len(types.blocks), tuple(types.renamed), tuple(dict.fromkeys(types.unsaid)))


def _steps(types: Types, functions: Mapping[str, Sequence[Tool]]) -> dict[str, list[str]]:
    """Write the classes of the functions' tools, each tool once; name those of each function."""
    made: list[tuple[Tool, str]] = []
    steps: dict[str, list[str]] = {}
    for function, tools in functions.items():
        steps[function] = []
        for tool in tools:
            name = next((name for other, name in made if other == tool), None)
            if name is None:
                name = types.tool(tool)
                made.append((tool, name))
            steps[function].append(name)
    return steps


@dataclass(frozen=True)
class Steps:
    """The BAML of steps without a function: the ``text`` of their classes, and the ``classes`` of the steps, in order."""

    text: str
    classes: tuple[str, ...]


def write_steps(tools: Sequence[Tool], *, tag: str, shown: str, taken: Collection[str]) -> Steps:
    """Write the classes of some tools as steps of a function that is there, whose field ``tag`` models know as ``shown``.

    A name that is ``taken`` gets another one. A tool is written in the same way whichever come after it. Raises ``UserError`` as
    ``write_baml`` does.
    """
    fields = {name for tool in tools for name in property_names(tool.parameters)}
    types = Types({*taken, *fields}, "Added", tag, shown)
    try:
        classes = tuple(types.tool(tool) for tool in tools)
    except RecursionError:
        raise UserError("a tool has arguments in too many levels") from None
    try:
        check_text("the list of tools", types.text)
    except ValueError as error:
        raise BamlError(str(error)) from None
    return Steps(types.text, classes)


def _check_name(function: str, around: Defined) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", function):
        raise UserError(f"{function!r} can't be the name of a function: letters, digits and _, a letter first")
    if function in around.functions:
        raise UserError(f"function {function!r} is there already; give another name")


def function_name(stem: str) -> str:
    """Name the function of a file."""
    return FUNCTION + "".join(part[0].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", stem))


def _signature(function: str, steps: Sequence[str], *, several: bool) -> str:
    """Write the head of a function that picks of these steps, a line a step where one line would be long."""
    before, behind = ("(", ")[]") if several else ("", "")
    line = f"function {function}(thread: string) -> {before}{' | '.join(steps)}{behind} {{"
    wide = f"function {function}(thread: string) ->\n    {before}{f'{chr(10)}  | '.join(steps)}{behind} {{"
    return line if len(line) <= _WIDE else wide


def _text_step(types: Types, text: str, tools: Sequence[Tool], tag: str) -> str:
    """Write the class of the step that says something."""
    name, _, field = text.partition(".")
    if tool_name(name) != name or not field or field_name(field) != field or field == tag:
        raise UserError(f"--text {text!r} isn't NAME.FIELD, such as {TEXT}")
    if any(tool_name(tool.name) == name for tool in tools):
        raise UserError(f"--text {text!r}: {name!r} is a tool already; name another step, or leave it out with --no-text")
    return types.step(name, name, "say something to the person, or ask them", [f"{field} string"])


def _prompt(instructions: str | None, *, several: bool) -> str:
    """Write a prompt, indented. BAML takes the indentation off again, and empties lines of white space alone."""
    if instructions is None:
        instructions = SEVERAL_INSTRUCTIONS if several else INSTRUCTIONS
    question = SEVERAL_QUESTION if several else QUESTION
    body = [
        *map(_line, re.sub(r"\r\n?", "\n", instructions).strip().split("\n")),
        "",
        "{{ ctx.output_format(quote_class_fields=true) }}",
        "",
    ]
    lines = ['{{ _.role("system") }}', *body, '{{ _.role("user") }}', "{{ thread }}", "", question]
    return "\n" + "".join(f"    {line}\n" if line else "\n" for line in lines) + "  "


def _line(line: str) -> str:
    """Write a line so that Jinja and BAML leave it as it is."""
    if line and not line.strip():
        return f"{{{{ {json.dumps(line)} }}}}"
    return re.sub(r"\{(?=[{%#])", '{{ "{" }}', line)
