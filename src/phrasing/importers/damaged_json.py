"""JSON in a text that may be none: the value at a place, what is wrong with it, and where it ends all the same."""

from __future__ import annotations

import json
import re
from typing import Any

from phrasing.suite import dataset

BREAKS_OFF = "not JSON: the line ends inside a text, as if it were cut"
BEHIND = "not JSON: a line of something else, or more behind a value"
NOT_UTF8 = "holds bytes that aren't UTF-8 (--encoding NAME reads others, such as cp1252)"

# People cut lists into lines: a comma between values, or behind the last one, says nothing.
_GAP = re.compile(r"[ \t\r\n,]*+")
_WORD = re.compile(r'[^ \t\r\n,"{}\[\]]*+')
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NEW_LINE = re.compile(r"\r?\n[\[{]")
_INSIDE = re.compile(r'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""What stands before the next bracket: whole strings, and all else."""

_PLAIN = json.JSONDecoder(parse_int=len, parse_float=len)
"""Reads JSON that breaks the rules of datasets, too: it says where a value ends."""


def decode(text: str, start: int) -> tuple[Any, int, str]:
    """Decode the value at a place of a text: the value, its end, and what is wrong with it though it is JSON.

    Raises ``json.JSONDecodeError`` where it is none, and ``RecursionError``.
    """
    try:
        value, end = dataset.DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        rule = str(error) if "4300 digits" not in str(error) else "a number has more than 4,300 digits"
        return *_PLAIN.raw_decode(text, start), rule
    piece = text[start:end]
    try:
        piece.encode()
        dataset.check_json(value, piece)
    except UnicodeEncodeError:
        return value, end, NOT_UTF8
    except ValueError as error:
        return value, end, str(error)
    return value, end, ""


def reason(error: json.JSONDecodeError) -> str:
    """Say why a text is no JSON: a few words that are the same for all mistakes of a kind."""
    here = error.doc[error.pos : error.pos + 1]
    if "\udc80" <= here <= "\udcff":
        return NOT_UTF8
    if error.msg.startswith("Invalid control character") and here in ("\r", "\n"):
        return BREAKS_OFF
    return f"not JSON: {error.msg}"


def behind_gap(text: str, at: int) -> int:
    """Give the next place that isn't white space or a comma."""
    return _behind(_GAP, text, at)


def behind_word(text: str, at: int) -> int:
    """Give the next place that is white space, a comma, a quote or a bracket."""
    return _behind(_WORD, text, at)


def close(text: str, at: int, depth: int) -> tuple[int, int, bool]:
    """Find the end of a string or of brackets, of which so many are open: where, and whether it is there.

    If it isn't, give how far all is closed but brackets, and how many of them are open.
    """
    while at < len(text):
        if depth:
            at = _behind(_INSIDE, text, at)
        elif text[at] == '"':
            end = _behind(_STRING, text, at)
            return end, 0, end > at
        if at == len(text) or text[at] == '"':
            break
        depth += 1 if text[at] in "{[" else -1
        at += 1
        if not depth:
            return at, 0, True
    return at, depth, False


def breaks_off(text: str, wrong: int) -> bool:
    """Tell whether what is wrong at a place is a string that a line's end cuts, and the next line begins as a value does."""
    return _NEW_LINE.match(text, wrong) is not None


def may_follow(value: Any, char: str) -> bool:
    """Tell whether a character may stand directly behind a value that is not in a list."""
    return char in ("", " ", "\t", "\r", "\n", ",") or (isinstance(value, dict | list) and char in "{[")


def _behind(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
