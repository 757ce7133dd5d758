"""Text where a call may stand as well: does it say something, or does it refuse, or promise a call that it doesn't make?

Both are told by English phrases. In doubt a text says something; one that asks a question does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_LONG = 2_000
"""A text of more characters says something."""
_POLITE = re.compile(r"\b(?:anything|something|what|how) else\b.*\?", re.IGNORECASE)

_SORRY = r"(?:(?:i['’]m|i am) (?:\w+ )?(?:sorry|afraid)|sorry|(?:my )?apologies|i apologi[sz]e|unfortunately|as an ai\b[^,]*)"
_ONLY_SORRY = re.compile(rf"{_SORRY}\W*", re.IGNORECASE)
_REFUSAL = re.compile(
    rf"(?:{_SORRY}\W*)?(?:but |however,? )?i"
    r"(?: cannot| can ?not| can['’]t| won['’]t| will not| must decline| have to decline| refuse| decline"
    r"|(?: am|['’]m) (?:not able|unable|not allowed|not permitted|not authori[sz]ed|not going))\b(?P<rest>.*)",
    re.IGNORECASE,
)
_REFUSED = "help|assist|comply|do|fulfill|proceed|continue|complete|perform|execute|carry|support"
"""What those who refuse won't do; or the first word of a step's name."""
_FAILED = "get|find|list|show|check|fetch|read|look|search|access|see"
"""What those who say that they can't have tried: that is an answer."""

_PROMISE = re.compile(
    r"(?:(?:sure|okay|ok|alright|all right|certainly|of course|great|got it|understood|yes|right|so|now|first|next)\b\W*)*"
    r"(?:i['’]ll|(?:i will|i shall|going to|let me|let['’]s|(?:i['’]m|i am) (?:going|about) to)\b"
    r"|(?:i['’]m|i am)(?= (?:\w+ )?\w+ing\b))"
    r"(?P<rest>[^:=]*)",
    re.IGNORECASE,
)
_DOING = (
    "check|look|fetch|get|find|search|query|retrieve|run|call|use|execute|start|begin|proceed|try|do|pull|create|update|calculate"
    "|compute|list|read|open|send|issue|process|review|investigate|verify"
)
"""What those who promise will do; or the first word of a step's name."""
_BETWEEN = re.compile("to|now|just|then|first|quickly|also|go|going|ahead|and|please|immediately|currently|directly|be")
_LATER = re.compile(r"\b(?:once|when|after|as soon as|if|unless|until)\b", re.IGNORECASE)
_WAIT = re.compile(r"(?:please )?(?:wait|hold on|stand by|one moment|just a moment|give me a|thank)\b.*", re.IGNORECASE)


def refuses(text: str, steps: Iterable[str]) -> bool:
    """Whether a text refuses what was asked: its first sentence that is no mere apology says so. ``steps`` are intents."""
    said = [each for each in _sentences(text) if not _ONLY_SORRY.fullmatch(each)]
    found = _REFUSAL.match(said[0]) if said else None
    if found is None:
        return False
    verb = _verb(found["rest"])
    return not verb or (_is_one(verb, f"{_REFUSED}|{_verbs(steps)}") and not _is_one(verb, _FAILED))


def promises(text: str, steps: Iterable[str]) -> bool:
    """Whether a text ends by saying what will be done now: its last sentence does. ``steps`` are intents."""
    said = [each for each in _sentences(text) if not _WAIT.fullmatch(each)]
    found = _PROMISE.fullmatch(said[-1]) if said else None
    return found is not None and not _LATER.search(found["rest"]) and _is_one(_verb(found["rest"]), f"{_DOING}|{_verbs(steps)}")


def _sentences(text: str) -> list[str]:
    """Give the sentences of a text, without those that say nothing of what was asked; none where one asks something."""
    found = _SENTENCE_END.split(text) if len(text) <= _LONG else []
    said = [each.strip(" \t*_>#-") for each in found if re.search(r"\w", each) and not _POLITE.search(each)]
    return [] if any("?" in each for each in said) else said


def _verb(rest: str) -> str:
    """Give the first word that isn't one between *I'll* and what will be done."""
    return next((word for word in re.findall(r"[a-z]+", rest.lower()) if not _BETWEEN.fullmatch(word)), "")


def _verbs(steps: Iterable[str]) -> str:
    """Give the first words of names, such as ``deploy`` of ``deploy_backend``, as a pattern."""
    return "|".join(found[0].lower() for step in steps if (found := re.match(r"[A-Za-z][a-z]{2,}|[A-Z]{3,}", step)))


def _is_one(word: str, verbs: str) -> bool:
    """Whether a word is one of these, as it stands or with *ing*: *deploying*, *fetching*, *running*."""
    stem = word.removesuffix("ing")
    return any(re.fullmatch(verbs, form) for form in (word, stem, stem + "e", stem[:-1] if stem[-2:-1] == stem[-1:] else stem))
