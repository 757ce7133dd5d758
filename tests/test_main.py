"""The program: what is printed where an encoding lacks signs, and what is set for the process alone."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from support.tiny_runs import cache, case, obey, world

__all__ = ["cache"]

MANY = """
import sys
from phrasing.__main__ import main
for words in {commands!r}:
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as left:
        assert left.code in (0, None), words
"""

TOLD = "reply: send – 語 … → café"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a run, whose first case has signs of many kinds."""
    told = case("a-1")
    told["thread"]["events"][0]["data"]["text"] = TOLD
    suite = world(tmp_path, cases=[told, *(case(f"a-{i}") for i in range(2, 7))])
    monkeypatch.chdir(tmp_path)
    phrasing.run(suite, complete=obey)
    return tmp_path


def program(*commands: list[str], encoding: str) -> bytes:
    """Run commands one after the other in a process whose streams have an encoding; give what it printed."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    script = MANY.format(commands=commands)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


RENDER = ["render", "a-1", "-f", "lines"]
TRIAL = "a-1[DetermineNextStepMail,none,tags"
OF_A_RUN = ["show", "latest"], ["show", "latest", TRIAL], ["compare", "latest"], ["score", "latest"]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_everything_prints_in_any_encoding(project: Path, encoding: str) -> None:
    many = ["check"], [*RENDER, "-f", "tags"], [*RENDER, "--tokens"], ["tokens", "evals/small.yaml"], *OF_A_RUN, ["models"]
    program(*many, ["run", "evals/small.yaml", "--replay", "latest"], ["--help"], encoding=encoding)


@pytest.mark.slow
def test_signs_of_ours_are_printed_as_like_ones(project: Path) -> None:
    tables = program(["tokens", "evals/small.yaml"], ["compare", "latest"], encoding="ascii").decode("ascii")
    assert " x1." in tables
    assert "\\u" not in tables


SHOWN = {"ascii": r"\u2013 \u8a9e \u2026 \u2192 caf\xe9", "cp1252": r"– \u8a9e … \u2192 café"}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_signs_of_a_prompt_are_never_exchanged(project: Path, encoding: str) -> None:
    printed = program(RENDER, ["show", "latest", TRIAL], encoding=encoding)
    assert printed.decode(encoding).count(SHOWN[encoding]) == 2


@pytest.mark.slow
def test_what_is_for_a_file_is_utf8(project: Path) -> None:
    words = ["report", "latest", "--format", "html"], ["report", "latest", "--summary", "-"]
    assert program(*words, encoding="ascii") == program(*words, encoding="utf-8")


@pytest.mark.slow
def test_tools_are_json_in_utf8(project: Path) -> None:
    baml = project / "baml_src" / "mail.baml"
    baml.write_text(baml.read_text("utf-8").replace('@description("', '@description("語 '), "utf-8")
    words = ["tools", "DetermineNextStepMail"]
    printed = program(words, encoding="ascii")
    assert printed == program(words, encoding="utf-8")
    assert json.loads(printed.decode("utf-8"))


def test_nothing_is_set_for_a_process_that_is_not_ours() -> None:
    script = (
        "import codecs, gc, sys\n"
        "before = gc.get_threshold(), sys.stdout.errors, sys.stderr.errors\n"
        "import phrasing.__main__, phrasing.cli\n"
        "phrasing.cli.main(['check', '--help'], standalone_mode=False)\n"
        "assert before == (gc.get_threshold(), sys.stdout.errors, sys.stderr.errors)\n"
        "try: codecs.lookup_error('phrasing')\n"
        "except LookupError: pass\n"
        "else: raise AssertionError\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_verb_sets_nothing(project: Path) -> None:
    before = gc.get_threshold(), dict(os.environ), Path.cwd()
    assert CliRunner().invoke(main, ["report", "latest"]).exit_code == 0
    assert (gc.get_threshold(), dict(os.environ), Path.cwd()) == before
