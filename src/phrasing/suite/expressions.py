"""The expressions of ``-k``: words joined by ``and``, ``or``, ``not`` and parentheses, as in pytest."""

from __future__ import annotations

import re
from collections.abc import Callable

Predicate = Callable[[str], bool]


def compile_expression(expression: str) -> Predicate:
    """Compile an expression to a predicate over a text; a word holds where the text contains it, in any case.

    Raises ``ValueError`` with what was expected.
    """
    # a parenthesis that is glued to a word, as in keep_events(10) or trace(tag=xml indent=2), is a part of it, with the spaces
    # before names that an = follows; one after and, or, not never is
    tokens = re.findall(r"(?!(?:and|or|not)\()[^\s()]+(?:\([^\s()]*(?: \w+=[^\s()]+)*\)[^\s()]*)+|[()]|[^\s()]+", expression)
    predicate, rest = _either(tokens)
    if rest:
        raise ValueError(f"{rest[0]!r} stands where 'and', 'or' or the end was expected")
    return predicate


def _either(tokens: list[str]) -> tuple[Predicate, list[str]]:
    left, tokens = _both(tokens)
    while tokens[:1] == ["or"]:
        right, tokens = _both(tokens[1:])
        left = _or(left, right)
    return left, tokens


def _both(tokens: list[str]) -> tuple[Predicate, list[str]]:
    left, tokens = _one(tokens)
    while tokens[:1] == ["and"]:
        right, tokens = _one(tokens[1:])
        left = _and(left, right)
    return left, tokens


def _one(tokens: list[str]) -> tuple[Predicate, list[str]]:
    if not tokens or tokens[0] in ("and", "or", ")"):
        raise ValueError(f"a word was expected, not {tokens[0]!r}" if tokens else "a word was expected at the end")
    first, rest = tokens[0], tokens[1:]
    if first == "not":
        inner, rest = _one(rest)
        return (lambda text: not inner(text)), rest
    if first == "(":
        inner, rest = _either(rest)
        if rest[:1] != [")"]:
            raise ValueError("a closing parenthesis is missing")
        return inner, rest[1:]
    word = first.lower()
    return (lambda text: word in text.lower()), rest


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda text: left(text) or right(text)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda text: left(text) and right(text)
