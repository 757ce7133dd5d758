"""The talk's slide on tokens, counted again: the Markdown that stands between the marks of docs/slide.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phrasing.baml.project import load_project
from phrasing.prompts import formats
from phrasing.prompts.template import compose, take_apart
from phrasing.records import TokenCounts
from phrasing.report.text import table
from phrasing.suite import dataset
from phrasing.tokenizers import tokenizer
from phrasing.tokenizers.tool_rules import QWEN
from phrasing.types import Output, Piece, Prompt, Rendering, Thread

TOKENIZERS = ("o200k_base", "cl100k_base")
FORMATS = ("json_pretty", "json", "yaml", "toon", "markdown", "xml_json", "xml_yaml", "messages_text", "messages")
FUNCTION = "DetermineNextStepCalculator"
PROMPTS: tuple[tuple[str, Output], ...] = (
    ("json_pretty", "prompted"),
    ("json", "prompted"),
    ("xml_yaml", "prompted"),
    ("messages_text", "prompted"),
    ("xml_yaml", "tool"),
    ("messages", "tool"),
)

# What the slide shows, with one empty line between the two tags. It is no JSON: a string goes on over three lines.
SHOWN_JSON = """\
[
  {
    "type": "user_input",
    "data": "can you multiply 3 and 4, then divide
    then divide the result by 2
    and then add 12 to that result?"
  },
  {
    "type": "tool_call",
    "data": {
      "intent": "multiply",
      "a": 3,
      "b": 4
    }
  }
]"""
SHOWN_XML = """\
<user_input>
  can you multiply 3 and 4, then divide
  the result by 2 and then add 12 to that result?
</user_input>

<multiply>
  a: 3
  b: 4
</multiply>"""

SAID = "can you multiply 3 and 4, then divide the result by 2 and then add 12 to that result?"
REPEATED = SAID.replace("then divide", "then divide then divide")


def events(step: dict[str, Any], said: str = SAID) -> list[dict[str, Any]]:
    """Give the slide's two events."""
    return [{"type": "user_input", "data": said}, step]


CALL = {"type": "tool_call", "data": {"intent": "multiply", "a": 3, "b": 4}}
MULTIPLY = {"type": "multiply", "data": {"a": 3, "b": 4}}
STEPS_BY_TOKENIZER = tuple(f"{step}, {name.removesuffix('_base')}" for step in ("tool_call", "multiply") for name in TOKENIZERS)


def indented(text: str, blanks: int) -> str:
    """Indent all lines but the first, as a text is that was copied out of an indented place."""
    first, *lines = text.split("\n")
    return "\n".join([first, *(" " * blanks + line if line else "" for line in lines)])


COUNTED_JSON = indented(json.dumps(events(CALL, REPEATED), indent=2), 6)
COUNTED_XML = indented(SHOWN_XML, 4)

INDENTED, ONE_LINE, COMPACT = "JSON, indented, the sentence as it was meant", "XML, the sentence on one line", "JSON, compact"
TEXTS = {
    "JSON, as it may have been counted": COUNTED_JSON,
    "XML, as it may have been counted": COUNTED_XML,
    "JSON, as the slide shows it": SHOWN_JSON,
    "XML, as the slide shows it": SHOWN_XML,
    INDENTED: json.dumps(events(CALL), indent=2),
    ONE_LINE: SHOWN_XML.replace("divide\n  the", "divide the"),
    "JSON, as Python's json.dumps writes it": json.dumps(events(CALL)),
    COMPACT: formats.json_text(events(CALL)),
}


def parts(root: Path) -> dict[str, str]:
    """Write each part of the page, by the name of its marks."""
    contents = {format: _thread(root, format) for format in FORMATS}
    sent = {cell: _prompt(root, *cell) for cell in PROMPTS}
    return {
        "json": f"```\n{COUNTED_JSON}\n```",
        "xml": f"```\n{COUNTED_XML}\n```",
        "texts": _table(("text", *TOKENIZERS, "characters"), _texts()),
        "gap": _gap(contents),
        "formats": _table(("format", *STEPS_BY_TOKENIZER, "framing", "multiply, as sent"), _formats(contents)),
        "prompts": _table(("format, output", "instructions", "schema", "thread", "framing", "total"), _prompts(sent)),
        "whole": _whole(sent),
    }


# ---------------------------------------------------------------------------------------------- counting


def counts(text: str) -> tuple[int, ...]:
    """Count a text by each of the tokenizers."""
    return tuple(tokenizer.count_text(text, name) for name in TOKENIZERS)


def _render(root: Path, format: str, listed: list[dict[str, Any]]) -> Rendering:
    steps = frozenset([CALL["type"], MULTIPLY["type"]])
    thread, _ = dataset.infer_roles(Thread.model_validate({"events": listed}), steps)
    return formats.render(formats.load(root / "formats", format), thread)


def _thread(root: Path, format: str) -> list[TokenCounts]:
    """Count the slide's events in a format, sent with nothing around them: for each name of the step by each tokenizer."""
    found = []
    for step in (CALL, MULTIPLY):
        rendering = _render(root, format, events(step))
        messages = [{"role": "user", "content": rendering}] if isinstance(rendering, str) else rendering
        pieces = tuple((Piece("thread", message["content"] or ""),) for message in messages)
        found += [tokenizer.count(Prompt(messages=tuple(messages), pieces=pieces), name) for name in TOKENIZERS]
    return found


def _prompt(root: Path, format: str, output: Output) -> TokenCounts:
    """Count a prompt of the calculator agent: the slide's events and the result of the step."""
    rendering = _render(root, format, [*events(MULTIPLY), {"type": "multiply_result", "data": 12}])
    template = take_apart(load_project(root / "baml_src").function(FUNCTION))
    return tokenizer.open_tokenizer(TOKENIZERS[0]).under(QWEN).count(compose(template, rendering, output))


# ---------------------------------------------------------------------------------------------- writing


def _texts() -> Iterator[tuple[str, ...]]:
    for name, text in TEXTS.items():
        yield name, *map(str, counts(text)), str(len(text))


def _gap(contents: dict[str, list[TokenCounts]]) -> str:
    pretty, xml, compact = (counts(TEXTS[name])[0] for name in (INDENTED, ONE_LINE, COMPACT))
    named, trace = contents["json"][2].thread, contents["xml_yaml"][2].thread
    return "\n".join(
        [
            "- Like for like, with the sentence as it was meant and nothing around the texts:",
            f"  {pretty} tokens of indented JSON, {xml} of XML.",
            f"- Compact JSON takes {compact}. So {pretty - compact} of these {pretty - xml} tokens are white space.",
            "- The JSON calls the step `tool_call` and says its intent in the data; the XML calls it `multiply`. So named,",
            f"  compact JSON takes {named}. `xml_yaml`, which is the slide's XML without its indentation, takes {trace}.",
        ]
    )


def _formats(contents: dict[str, list[TokenCounts]]) -> Iterator[tuple[str, ...]]:
    for format, found in contents.items():
        sent = found[2]
        yield format, *(str(count.thread) for count in found), str(sent.framing), str(sent.total)


def _prompts(sent: dict[tuple[str, Output], TokenCounts]) -> Iterator[tuple[str, ...]]:
    for (format, output), count in sent.items():
        row = (count.instructions + count.question, count.schema_, count.thread, count.framing, count.total)
        yield f"{format}, {output}", *map(str, row)


def _whole(sent: dict[tuple[str, Output], TokenCounts]) -> str:
    pretty, trace = sent["json_pretty", "prompted"], sent["xml_yaml", "prompted"]
    messages, tagged = sent["messages", "tool"], sent["xml_yaml", "tool"]
    saved = pretty.total - trace.total
    return "\n".join(
        [
            f"- `xml_yaml` instead of indented JSON saves {saved} of {pretty.total} tokens, {100 * saved / pretty.total:.0f} %.",
            f"- By its contents the thread is {messages.thread} tokens as `messages` and {tagged.thread} as `xml_yaml`.",
            f"  As sent the prompts are {messages.total} and {tagged.total}, by our estimate of the framing.",
            "  Without the framing, a comparison of messages with a trace has the wrong sign here.",
            f"- How the steps are described weighs more than the thread: {trace.schema_} tokens as BAML writes them,",
            f"  {tagged.schema_} as tools.",
        ]
    )


def _table(headers: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    return "\n".join(table(headers, rows))
