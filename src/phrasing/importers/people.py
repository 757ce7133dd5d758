"""What logs know of people beside a conversation: names and ids, which no dataset needs.

A key tells them, wherever it stands: ``userId``, ``user.id``, ``metadata.customer_name``, ``enduser.id``. Names in what was said
are another matter (``redact``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from pydantic import JsonValue

_WORDS = """
user users enduser customer client caller person people employee member subscriber patient student contact author owner sender
recipient operator visitor tenant account profile username userid useremail usr uid login email mail phone telephone mobile
firstname lastname surname fullname safetyidentifier nickname displayname ip ipaddress distinct ssn birthday
"""
_PEOPLE = frozenset(_WORDS.split())
"""Words that stand for people, or for what only one of them has."""

_HARMLESS = """
count counts number total type tier plan role roles segment rating ratings score scores feedback satisfaction satisfied turns
messages message tokens cost language locale country agent success solved
"""
_PROPERTIES = frozenset(_HARMLESS.split())
"""Last words of what is known of people and tells none of them apart."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_TAG = re.compile(r"([\w.-]+)\s*[:=]")


def names_person(key: str) -> bool:
    """Tell whether what stands under a key may be somebody's name or id."""
    words = [word.lower() for word in _WORD.findall(key)]
    joined = {f"{one}{other}" for one, other in pairwise(words)}
    return not _PEOPLE.isdisjoint([*words, *joined]) and words[-1] not in _PROPERTIES


def without_people(meta: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out of ``meta`` what may be somebody's name or id, and of lists of texts (tags) those that begin with such a key."""
    return {key: _without_tags(value) for key, value in meta.items() if not names_person(key)}


def _without_tags(value: JsonValue) -> JsonValue:
    if not isinstance(value, list):
        return value
    keys = [_TAG.match(one) if isinstance(one, str) else None for one in value]
    return [one for one, key in zip(value, keys, strict=True) if not (key and names_person(key[1]))]
