"""Threads that were written as text, read back to events: a trace of ``<type>…</type>``, or JSON of events.

Text can't say everything: what looks like JSON, or like a mapping in YAML, is read as such, though it may have been a text that
looks so. Prose with a colon stays text: its key would hold white space, or it is an error's one line (``deploy: no answer``).
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection
from typing import Any, cast

import yaml
from pydantic import JsonValue

from phrasing.importers.log_values import read_output
from phrasing.importers.written_out import is_transcript
from phrasing.suite import dataset
from phrasing.types import EVENT_TYPE

_TAGGED = re.compile(rf"\s*<({EVENT_TYPE.strip('^$')})>(.*?)</\1>", re.DOTALL)
_HEADING = re.compile(r"\s*(?:#{1,6}[ \t]+[^\n<>{}\[\]]{1,80}|[^\n<>{}\[\]]{1,80}:)[ \t]*\n")
_FENCE = re.compile(r"\s*```\w*[ \t]*\n(.*?)\n[ \t]*```\s*", re.DOTALL)
_OPENED = re.compile(r"<([A-Za-z_][A-Za-z0-9_.-]*)(?:\s[^<>]*)?>")
_CLOSED = re.compile(r"</([A-Za-z_][A-Za-z0-9_.-]*)>")
_WRAPPERS = ("thread", "events")
_TRAILING = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[\]}])')
_HASH = re.compile(r"(^|[ \t])#", re.MULTILINE)
_MARK = "\ue000"


def read_thread(text: str) -> JsonValue:
    """Read JSON, in which commas may trail as people leave them. Raises ``ValueError``."""
    return cast(JsonValue, dataset.parse(_TRAILING.sub(lambda found: found[1] or "", text)))


def without_heading(text: str) -> str | None:
    """Give a text without the line that announces what follows, and without a fence around that; ``None`` where there is none."""
    fenced = _FENCE.fullmatch(text)
    headed = _HEADING.match(text)
    if fenced is None and headed is None:
        return None
    rest = text[headed.end() :] if headed else text
    fenced = _FENCE.fullmatch(rest)
    return textwrap.dedent(fenced[1] if fenced else rest)


def holds_trace(text: str, steps: Collection[str]) -> bool:
    """Tell whether a text holds events: tags named as steps or results are, several tags that are closed, JSON, a transcript."""
    opened = set(_OPENED.findall(text))
    named = any(tag in steps or tag.endswith(("_result", "_response")) for tag in opened)
    return named or len(opened & set(_CLOSED.findall(text))) > 1 or is_transcript(text)


def read_trace_format(text: str, field: str) -> list[dict[str, Any]]:
    """Read a trace to events; none where the text is anything else.

    An entry called ``field`` or ``intent`` that only says the event's type again is dropped.
    """
    return _trace(text, {field, "intent"})


def read_body(kind: str, body: str) -> JsonValue:
    """Read what stands between the two tags of an event: JSON, or a mapping in YAML, or the text that it is."""
    return _data(kind, body, set())


def read_yaml_thread(text: str) -> JsonValue:
    """Read a list of mappings in YAML; text where it is anything else."""
    return _yaml(text)


def _trace(text: str, names: set[str]) -> list[dict[str, Any]]:
    found, at = [], 0
    while tagged := _TAGGED.match(text, at):
        found.append((tagged[1], tagged[2]))
        at = tagged.end()
    if text[at:].strip():
        return []
    if len(found) == 1 and found[0][0] in _WRAPPERS and (inner := _trace(textwrap.dedent(found[0][1]), names)):
        return inner
    return [{"type": kind, "data": _data(kind, body, names)} for kind, body in found]


def _data(kind: str, body: str, names: set[str]) -> JsonValue:
    """Read what stands between two tags, on lines of its own or beside them."""
    if not body.strip(" \t\n") and body.count("\n") < 2:
        return None
    text = textwrap.dedent(re.sub(r"\n[ \t]*\Z", "", re.sub(r"\A[ \t]*\n", "", body)))
    value = read_output(text)
    if value == text and not (kind == "error" and "\n" not in text):
        value = _yaml(text)
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if name not in names or item != kind}
    return value


# ---------------------------------------------------------------------------------------------- YAML


class _Loader(yaml.SafeLoader):
    """Reads YAML with JSON's values, and nothing else: no dates, no ``yes`` for true, no octal numbers, no anchors, no tags."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs say nothing
        if getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise yaml.YAMLError
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep=deep)
        if len(made) < len(node.value) or not all(isinstance(key, str) for key in made):
            raise yaml.YAMLError
        return made


_Loader.yaml_implicit_resolvers = {}  # of its own: not one of YAML 1.1
for _tag, _pattern in {
    "null": r"null|~|",
    "bool": r"true|false",
    "int": r"-?(?:0|[1-9][0-9]*)",
    "float": r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)",
}.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)


def read_scalar(text: str) -> JsonValue:
    """Read a value on one line, as YAML writes it. Raises ``ValueError``."""
    try:
        kept: JsonValue = dataset.parse(json.dumps(yaml.load(text, Loader=_Loader), ensure_ascii=False, allow_nan=False))
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise ValueError(text) from error
    return kept


def _yaml(text: str) -> JsonValue:
    """Read a mapping, or a list of them; else give the text."""
    if _MARK in text:
        return text
    try:
        # a comment would be lost: it is rather text that holds a #
        value = yaml.load(_HASH.sub(rf"\1{_MARK}#", text), Loader=_Loader)
        kept: JsonValue = dataset.parse(json.dumps(value, ensure_ascii=False, allow_nan=False).replace(_MARK, ""))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return text
    listed = kept if isinstance(kept, list) else [kept]
    structured = all(isinstance(each, dict) and not any(map(str.isspace, "".join(each))) for each in listed)
    return kept if listed and structured else text
