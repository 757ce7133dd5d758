"""Names of tools as every API takes them, and of their arguments as BAML takes them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection

from pydantic import BaseModel

LONGEST_NAME = 64

# Found by trying words: BAML refuses what is a keyword in one of many languages.
_WORDS = """
__FILE__ __LINE__ and and_eq any assert asserts async audio await bigint bool box break byte catch chan char char16_t char32_t
char8_t class compl const consteval constexpr constructor continue crossinline debugger declare defer delegate do dyn dynamic
elif else emit enum env export extends extern false finally fixed float for foreach func function get global go goto image
implements import in inline instanceof int internal into join keyof lambda lazy let lock long macro module move mut namespace
native new nil noexcept nonlocal not not_eq null nullptr or or_eq package params pdf private protected protocol provides pub
public readonly ref reflexpr register reinterpret_cast requires return sbyte sealed select self Self set short sizeof some
stackalloc static static_assert static_cast std strictfp string struct subscript super switch template this thread_local throw
throws trait transient transitive true try typealias typedef typeof u16 u32 u64 uint ulong union unsafe unsigned unsized use
using var video virtual void volatile wchar_t while with xor xor_eq yield
"""
_REFUSED = frozenset(_WORDS.split())
_GENERATED = frozenset(("typing", "typing_extensions", "baml_py", "Field", "str"))
"""What the code generated from BAML uses inside a class."""


def tool_name(name: str) -> str:
    """Give a name that OpenAI, Anthropic and an event's type all take: equal names give equal results.

    Characters outside ``A-Z a-z 0-9 _ -`` become ``_``, a first character that is neither a letter nor ``_`` gets one in front,
    and what is longer than 64 characters is cut.
    """
    taken = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return (taken if re.match(r"[A-Za-z_]", taken) else f"_{taken}")[:LONGEST_NAME]


def field_name(name: str) -> str:
    """Give a name that BAML takes for a field of a class: equal names give equal results."""
    taken = re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("_")
    if not re.match(r"[A-Za-z]", taken):
        taken = f"field_{taken}".rstrip("_")
    pydantics = hasattr(BaseModel, taken) or taken.startswith(("model_dump", "model_validate"))
    if pydantics or taken in _GENERATED:
        return f"field_{taken}"
    return f"{taken}_" if taken in _REFUSED or keyword.iskeyword(taken) else taken


def free_name(wanted: str, taken: Collection[str], between: str = "") -> str:
    """Give a name that isn't taken: the one that is wanted, or that with a number behind it."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}{between}{number}"
    return name
