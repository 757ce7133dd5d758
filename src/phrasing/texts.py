"""Texts compared: which count as the same, and how two differ that look alike.

Outer white space and the way a character is composed (``é`` as one code point or as two) are never meant, and a reader can't see
them. So they don't count, wherever two texts are compared. Case, and white space inside, do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any


def composed(text: str) -> str:
    """Give a text in Unicode's NFC (UAX 15): equal characters are the same code points."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Give a text without its case, in NFC: Unicode's canonical caseless matching (The Unicode Standard, section 3.13, D145)."""
    return composed(unicodedata.normalize("NFD", text).casefold())


def normal(text: str) -> str:
    """Give the form in which texts are compared: composed, without outer white space."""
    return composed(text).strip()


def caseless(text: str) -> str:
    """Give the form in which texts are compared where case doesn't count."""
    return folded(text).strip()


def normal_json(value: Any) -> Any:
    """Give a JSON value in a form that equal values share: texts, but no keys, as they are compared, and 3 for 3.0."""
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [normal_json(item) for item in value]
    return {key: normal_json(item) for key, item in value.items()} if isinstance(value, dict) else value


_LOOSE = re.compile(r"[ ,./\-_*^]")


def loose(text: str) -> str:
    """Give the form in which texts are compared where neither case nor ``space , . / - _ * ^`` count, and ``'`` is ``"``.

    These are the characters that the checker of the Berkeley Function Calling Leaderboard leaves out.
    """
    return caseless(_LOOSE.sub("", text)).replace("'", '"')


# ---------------------------------------------------------------------------------------------- texts that look alike

_ZERO_ONE = str.maketrans("01I|", "Olll")
# Letters of Cyrillic and Greek that have the shape of a Latin one, dashes and quotation marks.
_SHAPES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u03bf\u03bd"
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019\u02bc\u2032\u201c\u201d\u201e\u2033",
    "aeopcyxijsovABESIJKMHOPCTYXABEZHIKMNOPTYX-------''''\"\"\"\"",
)
_UNSEEN = ("Cf", "Cc", "Mn")  # format and control characters, accents


def how_unlike(one: str, other: str) -> str | None:
    """Say how two texts differ that look alike: in case, in white space, or in which code points. ``None`` for others.

    Positions count from 1, in the texts without outer white space.
    """
    one, other = normal(one), normal(other)
    if one == other:
        return None
    if caseless(one) == caseless(other):
        return "they differ in case"
    if "".join(one.split()) == "".join(other.split()):
        return f"they differ in white space: {_first_apart(one, other)}"
    if any(shape(one) == shape(other) for shape in _LOOKS):
        return f"they look alike: {_first_apart(one, other)}"
    return None


def first_unlike(texts: Iterable[str], other: str) -> str | None:
    """Say how the first of several texts that look like another differs from it."""
    return next((how for text in texts if (how := how_unlike(text, other)) is not None), None)


def _shape(text: str) -> str:
    """Give what a reader sees of a text, roughly: no accents, no characters without a shape, no spaces."""
    parts = unicodedata.normalize("NFKD", text).translate(_SHAPES)
    seen = "".join(char for char in parts if unicodedata.category(char) not in _UNSEEN)
    return "".join(seen.translate(_ZERO_ONE).casefold().split())


_LOOKS: tuple[Callable[[str], str], ...] = (_shape, lambda text: _shape(text.casefold()))


def _first_apart(one: str, other: str) -> str:
    """Name the first place at which two different texts differ, and what stands there."""
    pairs = enumerate(zip_longest(one, other), start=1)
    at, (first, second) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
    return f"{_code(first)} and {_code(second)} at character {at}"


def _code(char: str | None) -> str:
    return f"U+{ord(char):04X}" if char else "nothing"
