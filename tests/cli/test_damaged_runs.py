"""Run folders that something went wrong with, by every verb that takes a run: a warning or one line of error, no traceback."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phrasing.cli import main
from phrasing.cli.common import MISTAKE
from support.broken_records import broken
from support.tiny_commands import project, recorded
from support.tiny_runs import cache, loaded

__all__ = ["cache", "loaded", "project"]

TRIAL = "mail::a-1[DetermineNextStepMail,none,tags,prompted,scripted]#0"

VERBS: dict[str, list[str]] = {
    "show": ["show", "{run}", "--all"],
    "show trial": ["show", "{run}", TRIAL],
    "show repaired": ["show", "{run}", "--repair"],
    "report": ["report", "{run}"],
    "report csv": ["report", "{run}", "--format", "csv"],
    "report JUnit": ["report", "{run}", "--format", "junit", "--trials"],
    "report page": ["report", "{run}", "--format", "html"],
    "report charts": ["report", "{run}", "-o", "made.md"],
    "report summary": ["report", "{run}", "--summary", "-", "--annotations"],
    "report against": ["report", "{other}", "--against", "{run}", "--summary", "-"],
    "score": ["score", "{run}"],
    "compare": ["compare", "{run}"],
    "compare with another": ["compare", "{run}", "{other}"],
    "compare another with": ["compare", "{other}", "{run}"],
    "view": ["view", "{run}", "--no-open"],
    "merge": ["merge", "{run}"],
    "tokens": ["tokens", "evals/small.yaml", "--against", "{run}"],
    "tokens of a run": ["tokens", "{run}"],
    "tokens anew": ["tokens", "{run}", "--tokenizer", "o200k_base"],
    "resume": ["run", "evals/small.yaml", "--resume", "{run}", "--replay", "{other}"],
    "replay": ["run", "evals/small.yaml", "--replay", "{run}"],
}


def told(*words: str) -> Result:
    """Run a verb, and hold that it says what went wrong in a line; a traceback comes out of it and fails the test."""
    done = CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
    assert done.exit_code in range(4), done.output
    if done.exit_code == MISTAKE:
        *before, line = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert not any(other.startswith("error: ") for other in before)
    return done


TEXTS = ("", "x", "a b", "x,y,z", "a,b,c,d,e", "\x1b[31m", "é\u2028", "=1+1", "<b>", "2030-01-02", "x" * 300)


def edited(record: Any, luck: random.Random) -> Any:
    """Change a record in a place or two as somebody might who edits it: the types stay, the sense doesn't."""
    record = json.loads(json.dumps(record))
    for _ in range(luck.randint(1, 2)):
        places = list(_places(record))
        holder, key = luck.choice(places)
        value = holder[key]
        if isinstance(value, dict) and value:
            del value[luck.choice(list(value))]
        elif isinstance(value, list) and value:
            at = luck.randrange(len(value))
            value[at : at + 1] = luck.choice([[], [value[at]] * 2])
        elif isinstance(value, bool):
            holder[key] = not value
        elif isinstance(value, int | float):
            holder[key] = luck.choice([0, -1, 1, 2**40, 0.5])
        elif isinstance(value, str):
            texts = [other[name] for other, name in places if isinstance(other[name], str)]
            holder[key] = luck.choice([*TEXTS, *luck.sample(texts, min(len(texts), 9))])
    return record


def _places(value: Any) -> Any:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(inside):
        yield value, key
        yield from _places(inner)
