"""What stands in an answer: its reasoning cut out, and the objects found in it that are written as JSON, sound or not.

Nothing here asks BAML, and no text takes longer than its length allows: what is tried again and again is tried a limited number
of times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

_TRIES = 50
"""How many openings of objects are looked at."""
_DEEP = 9
"""For how many more of them one counts that is nested deeper than Python reads: it takes as long to find out."""
_TAGS = 200
"""How many tags of reasoning are looked at."""
_EFFORT = 5_000
"""How many brackets, strings and stretches of 16 characters are looked at in unsound objects, in all."""

_TAG = re.compile(
    r"(?:<\|?|◁|\[(?=/?THINK\]))(?P<close>/|end_of_)?(?:begin_of_|start_of_)?"
    r"(?P<name>[\w-]{0,30}(?:think|thought|reason|reflect|analys|analyz|scratch|monolog|rationale|deliberat|draft|plan)[\w-]{0,30})"
    r"(?:\s[^<>]{0,200})?(?:\|?>|▷|\])",
    re.IGNORECASE,
)
"""What opens or closes reasoning: ``<think>``, ``</reasoning>``, ``[THINK]``, ``◁think▷``, ``<|begin_of_thought|>`` ..."""

_FINAL = re.compile(r"\bfinal[ -](?:answer|step|decision|choice|output|response|result)\b|<(?:final_)?answer>", re.IGNORECASE)
"""What stands before the answer that counts; what comes before it was a draft."""

_TOKEN = re.compile(
    r'(?P<text>"(?:\\.|[^"\\])*+(?:"|\\?\Z)|(?<!\\)\'(?:\\.|[^\'\\\n])*+\'(?=\s*[:,}\]]))'
    r"|(?P<bracket>[{}])|(?P<word>\b\w++(?=\s*[:=]))",
    re.DOTALL,
)
"""What counts in an unsound object. Each alternative goes over a character once, and a quote that is escaped begins nothing."""
_COLON = re.compile(r"\s*[:=]")


@dataclass(frozen=True)
class Found:
    """An object in a text: where it stands, its value if it is sound JSON, and where the values of its own keys begin.

    Keys are in lower case. ``enclosed``: it is the member of a list, or a bracket too many follows.
    """

    start: int
    end: int
    value: dict[str, Any] | None
    keys: dict[str, int]
    enclosed: bool


def find_objects(text: str, wanted: Collection[str]) -> Iterator[Found]:
    """Find the objects that stand in a text, outermost and first ones first.

    One without an end counts if it has a key that is ``wanted`` (in lower case); it ends where another begins, or with the text.
    """
    at, effort, tries = 0, _EFFORT, _TRIES
    while tries > 0 and (at := text.find("{", at)) >= 0:
        tries -= 1
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            tries -= _DEEP if isinstance(error, RecursionError) else 0
            end, closed, keys, effort = _scan(text, at, effort)
            if not closed and keys.keys().isdisjoint(wanted):
                at += 1
                continue
            yield Found(at, end, None, keys, True)
        else:
            enclosed = text[max(0, at - 50) : at].rstrip().endswith("[") or text[end : end + 50].lstrip().startswith(("}", "]"))
            yield Found(at, end, value, {}, enclosed)
        at = end


def _scan(text: str, start: int, effort: int) -> tuple[int, bool, dict[str, int], int]:
    """Find where an unsound object ends, whether it is closed there, its own keys, and how much effort is left."""
    depth, keys = 0, dict[str, int]()
    at = start
    while effort > 0:
        token = _TOKEN.search(text, at)
        effort -= 1 + ((token.end() if token else len(text)) - at) // 16
        if token is None:
            break
        at = token.end()
        if token["bracket"] == "{":
            if depth == 1 and text[max(start, token.start() - 50) : token.start()].rstrip()[-1:] not in ":=,[{(":
                return token.start(), False, keys, effort  # another one begins
            depth += 1
        elif token["bracket"]:
            depth -= 1
            if not depth:
                return at, True, keys, effort
        elif depth == 1 and (colon := _COLON.match(text, at)):
            keys.setdefault(token[0].strip("\"'").casefold(), colon.end())
    return len(text), False, keys, effort


# ---------------------------------------------------------------------------------------------- reasoning


def without_reasoning(text: str, keep: Collection[str] = ()) -> str:
    """Cut out what stands between tags of reasoning, and what stands before a closing tag that nothing opened.

    A tag inside a value of sound JSON is a part of that value. One that is never closed counts at the beginning of a line. Those
    of names to ``keep`` are none of reasoning.
    """
    if isinstance(loads(text), dict | list):
        return text.strip()
    tags = [tag for tag in islice(_TAG.finditer(text), _TAGS) if tag["name"] not in keep]
    values = list(_values(text)) if tags else []
    kept: list[str] = []
    at = 0
    for place, tag in enumerate(tags):
        if tag.start() < at or _end_of_value(values, tag.start()) is not None:
            continue
        if tag["close"]:
            kept, at = [], tag.end()
        elif (end := _end_of_reasoning(text, tag, tags[place + 1 :])) is not None:
            kept.append(text[at : tag.start()])
            at = end
    return "".join([*kept, text[at:]]).strip()


def _end_of_reasoning(text: str, opened: re.Match[str], tags: Iterable[re.Match[str]]) -> int | None:
    """Find the end of what a tag opened, which others follow; ``None``: it opened nothing."""
    for tag in tags:
        if tag["close"] and tag["name"].casefold() == opened["name"].casefold():
            return tag.end()
    at_line = not text[: opened.start()].rpartition("\n")[2].strip()
    return len(text) if at_line else None


def drafts(text: str) -> Iterator[int]:
    """Give the places, the last one first, behind words such as *final answer*: what stands before one may have been a draft."""
    values = list(_values(text))
    for mark in reversed(list(_FINAL.finditer(text))):
        if _end_of_value(values, mark.start()) is None:
            yield mark.end()


def _values(text: str) -> Iterator[tuple[int, int]]:
    """Give where sound objects begin and end."""
    at, tries = 0, _TRIES
    while tries > 0 and (start := text.find("{", at)) >= 0:
        tries -= 1
        try:
            _, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            tries -= _DEEP if isinstance(error, RecursionError) else 0
            at = start + 1
        else:
            yield start, at


def _end_of_value(values: Iterable[tuple[int, int]], place: int) -> int | None:
    """Find the end of the value that holds a place."""
    return next((end for start, end in values if start < place < end), None)


# ---------------------------------------------------------------------------------------------- JSON


def loads(text: str) -> Any:
    """Read JSON as BAML does; ``None`` where it isn't sound, or holds a key twice."""
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
