"""The table of verbs: helps, examples, mistyped words."""

from __future__ import annotations

import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from phrasing import cli
from phrasing.cli import main
from phrasing.cli.common import MISTAKE
from phrasing.cli.verbs import VERBS, module
from support.tiny_commands import call, project
from support.tiny_runs import cache

__all__ = ["cache", "project"]


def command(verb: str) -> click.Command:
    found = main.get_command(click.Context(main), verb)
    assert found
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help_with_an_example(verb: str, flag: str) -> None:
    text = call(verb, flag).output
    assert command(verb).help
    assert f"Example:\n    phrasing {verb}" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("verb", VERBS)
def test_examples_name_options_that_exist(verb: str) -> None:
    found = command(verb)
    assert found.epilog
    words = shlex.split(found.epilog.removeprefix("\b\nExample:\n  phrasing "))
    known = {flag for parameter in found.params for flag in parameter.opts}
    assert words[0] == found.name
    assert {word for word in words[1:] if word.startswith("-")} <= known


def test_the_table_of_verbs_is_what_the_modules_hold() -> None:
    assert {verb: command(verb).name for verb in VERBS} == {verb: verb for verb in VERBS}
    others = {"__init__", "common", "layout", "rollout_text", "terminal", "text", "verbs"}
    assert {path.stem for path in Path(cli.__file__).parent.glob("*.py")} - others == {module(verb) for verb in VERBS}
    lines = call("--help").output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(VERBS)
    assert all(line.endswith(f"  {short}") for line, short in zip(lines, VERBS.values(), strict=True))


def test_version() -> None:
    for words in (["--version"], ["-m", "phrasing", "--version"]):
        if words[0] == "--version":
            said = call(*words).output
        else:
            said = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout
        assert said == f"phrasing, version {importlib.metadata.version('phrasing')}\n"


MISTYPED = {
    "chekc": "error: command 'chekc' not found (did you mean 'check'?); there are: check, compare, ",
    "run evals/small.yaml --dry-rnu": "Error: No such option '--dry-rnu'. Did you mean '--dry-run'?",
    "run evals/small.yaml --missing as": "Error: Invalid value for '--missing': 'as' is not one of 'error', 'ask', 'skip'.",
    "models ad": "Error: No such command 'ad'. Did you mean 'add'?",
    "run": "Error: Missing argument 'SUITE'.",
    "tokens evals/small.yaml --by evnt": "Error: Invalid value for '--by': 'evnt' is not one of 'segment', 'event', ",
}


@pytest.mark.parametrize(("words", "said"), MISTYPED.items())
def test_a_mistyped_word_is_told_from_what_was_meant(words: str, said: str) -> None:
    done = call(*words.split(), code=MISTAKE)
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_nothing_of_the_outer_shell_is_a_traceback(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "phrasing", "run", "evals/none.yaml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    assert done.stderr.startswith("error: evals/none.yaml: can't be read")
    assert "\x1b" not in done.stderr
