"""Answers that no model should give and some do: made by a seed, each up to 64 kB, as many as are asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from phrasing.types import Completion, Output, ToolCall

MOST = 65_536
"""Characters of an answer at most: a limit of 16,384 tokens, which providers have, leaves room for about so many."""

OUTPUTS: tuple[Output, ...] = ("prompted", "native", "native_bare", "tool", "tool_auto")

STEP = '{"intent": "search", "query": "q"}'
SIGNS = "{}[]\"'`<>:,=\\/\n #-_*|@$%&~^()"
UNICODE = "é日本🎉\u200b\u202e\ufeff\ud800\udfff\u0000\x1b\u2028ß\u0301"
WORDS = (
    *(
        "the",
        "I'll",
        "sorry",
        "final answer:",
        "final decision",
        "intent",
        '"intent":',
        "search",
        "null",
        "true",
        "1e999",
        "-0",
        "NaN",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        "{{",
        "}}",
        '{"',
        '":',
        '",',
        "```",
        "```json\n",
        "\n\n",
        "<think>",
        "</think>",
        "[THINK]",
        "<|begin_of_thought|>",
    ),
    *(
        '{"name": ',
        '"arguments": ',
        "<tool_call>",
        "</tool_call>",
        "name:",
        "to=functions.search",
        "\\u",
        "\\",
        "\t",
        "'",
        '"',
        STEP,
    ),
)


def answers(seed: int, number: int) -> Iterator[tuple[Completion, Output]]:
    """Make answers with the outputs they are given to."""
    for each in range(number):
        rng = random.Random(f"{seed} {each}")
        kind = rng.choice(KINDS)
        text = kind(rng, size(rng))[:MOST]
        output = rng.choice(OUTPUTS)
        if rng.random() < 0.15:
            calls = tuple(
                ToolCall(name=rng.choice(("search", "send", "x" * 500, "")), arguments=text) for _ in range(rng.choice((1, 1, 3)))
            )
            yield Completion(text="", tool_calls=calls), output
        else:
            yield Completion(text=text), output


def size(rng: random.Random) -> int:
    """Draw a length: most are short, some as long as they may be."""
    return int(2 ** rng.uniform(4, 16)) if rng.random() < 0.9 else MOST


def _run(rng: random.Random, n: int) -> str:
    """One piece again and again, perhaps between others."""
    piece = rng.choice((*WORDS, *SIGNS, *UNICODE, rng.choice(SIGNS) + rng.choice(SIGNS), rng.choice(WORDS) + rng.choice(WORDS)))
    return (
        rng.choice(("", "{", '{"intent": "', "<think>", STEP))
        + piece * (n // len(piece) + 1)
        + rng.choice(("", "}", '"}', "</think>", STEP))
    )


def _nested(rng: random.Random, n: int) -> str:
    """Lists and objects in one another, closed or not."""
    opened = rng.choice(("[", "{", '{"a":', '[{"b":[', '{"intent": "search", "query": ', "[[{", '{"intent":{'))
    times = rng.choice((30, 100, 300, 1000, n)) if rng.random() < 0.7 else n // len(opened)
    inner = rng.choice(("", "1", STEP, '"x"', "null"))
    closed = opened.translate(str.maketrans("[{", "]}", ':"abintentsearchquery, '))[::-1]
    return opened * times + inner + closed * rng.choice((0, times, times // 2, times + 1))


def _mixed(rng: random.Random, n: int) -> str:
    """Words and signs in any order."""
    some = rng.sample(WORDS, rng.randint(2, 12))
    return "".join(rng.choices(some, k=n // 6 + 1))


def _signs(rng: random.Random, n: int) -> str:
    some = rng.sample(SIGNS, rng.randint(1, 8)) + rng.choice(([], ["a", " "], list(UNICODE)))
    return "".join(rng.choices(some, k=n))


def _steps(rng: random.Random, n: int) -> str:
    """Steps again and again, sound or nearly so."""
    near = rng.choice(
        (STEP, STEP[:-1], STEP.replace('"', "'"), STEP.replace('"', ""), STEP.replace("search", "serach"), STEP + ",", STEP[:-2])
    )
    between = rng.choice(("", "\n", ", ", "```\n```json\n", "\nor\n", "</think><think>", "final answer: "))
    return (near + between) * (n // len(near + between) + 1)


def _fences(rng: random.Random, n: int) -> str:
    fence = rng.choice(("```", "~~~", "````", "```json\n", "``` \n"))
    inner = rng.choice(("", "\n", STEP, "{", "x\n", '{"intent": "search"'))
    return (fence + inner) * (n // len(fence + inner) + 1)


def _reasoning(rng: random.Random, n: int) -> str:
    tags = rng.choice(
        (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"), ("<reasoning a='", "'>"), ("<", ">"))
    )
    pieces = [*tags, rng.choice(("", " ", "\n", "x" * 40)), rng.choice(("{", STEP, "final answer ", "plan" * 9, "_" * 60))]
    return "".join(rng.choices(pieces, k=n // 8 + 1))


def _value(rng: random.Random, n: int) -> str:
    """A step with a large value, whole or cut."""
    value = rng.choice(
        (rng.choice(SIGNS + "a") * n, "".join(rng.choices(SIGNS, k=n)), "\\" * n, '\\"' * (n // 2), "a " * (n // 2))
    )
    text = (
        json.dumps({"intent": "search", "query": value}) if rng.random() < 0.5 else f'{{"intent": "search", "query": "{value}"}}'
    )
    return text[: rng.choice((len(text), len(text) - 1, len(text) // 2))]


def _digits(rng: random.Random, n: int) -> str:
    number = rng.choice("19-") + rng.choice(("9", "0", "1e", "1.")) * min(n, rng.choice((10, 5000, n)))
    return f'{{"intent": "search", "limit": {number}}}'


def _keys(rng: random.Random, n: int) -> str:
    """One object with very many keys."""
    key = rng.choice(('"k{}": 1, ', "k{}: 1, ", '"k": 1, ', "k{} = 'v'\n", '"intent": "x{}", ', "'a{}': '"))
    return "{" + "".join(key.format(i) for i in range(n // 10 + 1)) + rng.choice(("", "}", '"intent": "search"}'))


def _prose(rng: random.Random, n: int) -> str:
    said = rng.choice(
        ("I'm sorry, ", "I will ", "okay sure right now ", "so " * 20, "I am really ", "wait. ", "? ", "i cannot ", "as an ai ")
    )
    return said * (n // len(said) + 1)


def _spaces(rng: random.Random, n: int) -> str:
    space = rng.choice((" ", "\n", "\t", " \n", "\r\n", "\u00a0", "\u3000"))
    return rng.choice(("{", "", '{"intent"', '{"intent": "search"', "<think")) + space * n + rng.choice(("", ":", "}", STEP, ">"))


KINDS: tuple[Callable[[random.Random, int], str], ...] = (
    _run, _nested, _mixed, _signs, _steps, _fences, _reasoning, _value, _digits, _keys, _prose, _spaces
)  # fmt: skip
