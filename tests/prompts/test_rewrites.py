"""A rewrite is a copy of a function that nobody has to keep: the same prompt, the same parser; and it always changes something."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from phrasing.baml.project import Function, Project
from phrasing.errors import SuiteError, UserError
from phrasing.plan.resolve import Plan, resolve
from phrasing.prompts.rewrites import rewrite
from phrasing.prompts.template import enforced, take_apart
from phrasing.score.parse import Parser
from phrasing.suite import rewrites
from phrasing.types import Completion, ToolCall
from support.small_projects import CLIENT, STEPS, cache, cases, load, project, write
from support.tiers import few

__all__ = ["cache"]

SOURCES = (
    CLIENT
    + STEPS
    + """
template_string Policy(who: string) #"
    Be kind to {{ who }}.
      Always.
"#
template_string Unused #"nobody reads this"#
enum Mood {
  Good @description("fine")
  Bad
}
class Reply {
  intent "reply"
  // how it sounds
  mood Mood @description("the tone") // of the reply
  to string[]
}
class Apart {
  x string
}
function Mail(thread: string, tone: string?) -> Search | Send | Finish | Reply {
  client Nobody
  prompt #"
    {{ _.role("system") }}
    You send mail. {{ tone }}
    {{ Policy("all") }}

    Once. Once.
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ thread }}

    What is the next step?
  "#
}
"""
)

BY_HAND: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "a text": (
        {"replace": [{"text": "You send mail.", "by": 'Mail: "#1"# first.'}]},
        (('prompt #"', 'prompt ##"'), ("You send mail.", 'Mail: "#1"# first.'), ('step?\n  "#', 'step?\n  "##')),
    ),
    "texts of several lines": (
        {
            "replace": [
                {"text": "\n\nOnce. Once.\n", "by": "\n\nTwice:\n  - one\n\n  - two\n"},
                {"text": "next step?", "by": "next\nstep?"},
            ]
        },
        (
            ("\n\n    Once. Once.\n", "\n\n    Twice:\n      - one\n\n      - two\n"),
            ("next step?", "next\n    step?"),
        ),
    ),
    "a template_string": (
        {"template_strings": {"Policy": "Hurry, {{ who }}.\n\n  Now.\n"}},
        (("    Be kind to {{ who }}.\n      Always.\n", "    Hurry, {{ who }}.\n\n      Now.\n"),),
    ),
    "the order of fields": (
        {"fields": {"*": ["...", "intent"], "Search": ["limit", "intent"]}},
        (
            (
                '  intent "search" @description("look something up")\n  query string @description("what to look for")\n  limit int?\n',
                '  limit int?\n  intent "search" @description("look something up")\n  query string @description("what to look for")\n',
            ),
            ('  intent "send"\n  to string\n  urgent bool\n', '  to string\n  urgent bool\n  intent "send"\n'),
            ('  intent "reply"\n', ""),
            ("  to string[]\n", '  to string[]\n  intent "reply"\n'),
        ),
    ),
    "descriptions": (
        {
            "descriptions": {
                "Search.query": 'what "to" look for \\ or not',
                "Search.intent": None,
                "Send": "post it",
                "Finish": "the end",
                "Reply.mood": "in a word",
                "Mood.Bad": "not fine",
                "Reply.to": "whom",
            }
        },
        (
            ('@description("what to look for")', '@description("what \\"to\\" look for \\\\ or not")'),
            (' @description("look something up")', ""),
            ('@@description("send the mail")', '@@description("post it")'),
            ('left to do")\n', 'left to do")\n  @@description("the end")\n'),
            ('@description("the tone")', '@description("in a word")'),
            ("  Bad\n", '  Bad @description("not fine")\n'),
            ("to string[]", 'to string[] @description("whom")'),
        ),
    ),
}


def loaded(root: Path, what: dict[str, Any]) -> rewrites.RewriteFile:
    write(root, {"prompts/other.yaml": yaml.safe_dump(what, sort_keys=False, allow_unicode=True)})
    return rewrites.load(root, "other")


def sources(root: Path, text: str = SOURCES) -> Project:
    return load(root, {"main.baml": text})


def shown(function: Function) -> object:
    """All that is sent of a function."""
    made = take_apart(function)
    return made.messages, made.plain, json.dumps([enforced(function, output) for output in ("tool", "native")])


def read(function: Function, answers: list[str]) -> object:
    parser = Parser(take_apart(function))
    return [parser.parse(Completion(text=answer), "prompted") for answer in answers]


ANSWERS = [
    '{"intent": "search", "query": "a", "limit": 3}',
    '{"limit": null, "query": "a", "intent": "search"}',
    'Sure: {"to": "ann", "urgent": "yes", "intent": "send"}',
    '{"mood": "bad", "to": "ann", "intent": "reply"}',
    '{"intent": "finish"} and {"intent": "send", "to": "x", "urgent": true}',
    '{"query": "a"}',
    "no",
]


@pytest.mark.parametrize("what", BY_HAND)
def test_a_rewrite_is_a_copy_by_hand(tmp_path: Path, what: str) -> None:
    said, changed = BY_HAND[what]
    text = SOURCES
    for old, new in changed:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    before = sources(tmp_path / "was")
    files = {path: path.read_bytes() for path in (tmp_path / "was").rglob("*") if path.is_file()}
    made = rewrite(before, "Mail", loaded(tmp_path, said)).function.filled(None, {})
    copy = sources(tmp_path / "copy", text).function("Mail")
    assert shown(made) == shown(copy) != shown(before.function("Mail"))
    assert read(made, ANSWERS) == read(copy, ANSWERS)
    assert {path: path.read_bytes() for path in (tmp_path / "was").rglob("*") if path.is_file()} == files
