"""Somebody else's project: none of its Python runs before its folder is trusted, whatever is done with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing import trust
from phrasing.cli import main
from phrasing.cli.common import MISTAKE
from phrasing.errors import UserError
from phrasing.project.init import SCAFFOLD_FOLDERS
from support.paths import REPOSITORY
from support.tiers import few
from support.tiny_runs import cache, commit, git, obey, world

__all__ = ["cache"]

Say = Callable[..., str]

RAN = "from pathlib import Path\nPath(__file__ + '.ran').touch()\n"
FORMAT = RAN + "def render(thread):\n    return '\\n'.join(str(event) for event in thread['events'])\n"
EDIT = RAN + "LOSSY = 'nothing'\ndef edit(thread):\n    return thread\n"
SCORER = RAN + "def mine(case, step, answer):\n    return 1\n"


def foreign(root: Path) -> Path:
    """Write a project with Python of each kind, and a run of it; give the run's folder."""
    world(root, formats=["lines", "evil", "calls"], edits=["none", "evil"], scorers=["evals/evil.py:mine"])
    (root / "formats" / "edits").mkdir()
    for path, source in (("formats/evil.py", FORMAT), ("formats/edits/evil.py", EDIT), ("evals/evil.py", SCORER)):
        (root / path).write_text(source)
    (root / "traces.jsonl").write_text(json.dumps({"events": [{"type": "mail", "data": {"a": 1}}]}) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHRASING_TRUST", "1")
        folder = phrasing.run(root / "evals" / "small.yaml", complete=obey).folder
    for marker in root.rglob("*.ran"):
        marker.unlink()
    return folder


def ran(root: Path) -> list[str]:
    return sorted(path.name.removesuffix(".ran") for path in root.rglob("*.ran"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, cache: None) -> Path:
    """The project, to be copied."""
    root = tmp_path_factory.mktemp("written")
    foreign(root)
    return root


@pytest.fixture
def project(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "foreign"
    shutil.copytree(written, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PHRASING_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("PHRASING_TRUST")
    return root


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
    assert done.exit_code == code, done.output
    return f"{done.stdout}{done.stderr}"


VERBS = [
    "check",
    "check evals/small.yaml",
    "run evals/small.yaml --dry-run",
    "run evals/small.yaml --replay latest",
    "run evals/small.yaml -f evil",
    "render mail::a-1 -f evil",
    "tokens evals/small.yaml",
    "tokens --file traces.jsonl -f evil",
    "score latest",
    "export format evil",
    "export tests mail --function DetermineNextStepMail -f evil",
]


@pytest.mark.parametrize("words", VERBS)
def test_no_verb_runs_its_python(project: Path, words: str) -> None:
    said = call(*words.split(), code=MISTAKE)
    assert ran(project) == []
    last = said.splitlines()[-1]
    assert last.startswith("error: ")
    assert last.endswith(f"read what it does, then: phrasing trust add {project} (or set PHRASING_TRUST=1)")
    assert "evil.py" in last


READS = ["show latest", "report latest -o r.html -o r.md", "compare latest", "tokens latest"]


@pytest.mark.parametrize("words", few(READS, ["show latest", "tokens latest"]))
def test_what_only_reads_a_run_needs_none_of_it(project: Path, words: str) -> None:
    CliRunner().invoke(main, words.split(), prog_name="phrasing", catch_exceptions=False)
    assert ran(project) == []


@pytest.mark.parametrize("words", VERBS)
def test_of_a_trusted_one_every_verb_runs_it(project: Path, words: str) -> None:
    call("trust", "add", ".")
    done = CliRunner().invoke(main, words.split(), prog_name="phrasing", catch_exceptions=False)
    assert ran(project), done.output
    assert "isn't trusted" not in done.output


def test_check_lists_it_before_it_runs(project: Path) -> None:
    (project / "evals" / "evil.py").write_text(f"{SCORER}raise SystemError\n")
    listed = "evals/small.yaml runs Python of this project: formats/evil.py, formats/edits/evil.py, evals/evil.py"
    assert call("check", code=MISTAKE).splitlines()[0] == listed
    call("trust", "add", ".")
    said = call("check", code=MISTAKE).splitlines()
    assert said[0] == listed
    assert "raised SystemError" in said[-1]


def test_what_ships_needs_no_word(project: Path) -> None:
    world(project, formats=["lines", "calls"])
    (project / "formats" / "edits" / "evil.py").unlink()
    assert "runs Python" not in call("check")


def test_a_revision_is_its_projects(project: Path) -> None:
    commit(project, "v1")
    said = call("check", "--at", "v1", code=MISTAKE)
    assert f"phrasing trust add {project}" in said
    call("trust", "add", ".")
    call("check", "--at", "v1")
    call("trust", "remove", ".")
    call("check", "--at", "v1", code=MISTAKE)


def test_the_api_runs_it_if_it_is_told_to(project: Path) -> None:
    with pytest.raises(UserError, match="isn't trusted"):
        phrasing.run("evals/small.yaml", complete=obey)
    assert ran(project) == []
    phrasing.run("evals/small.yaml", complete=obey, trust=True)
    assert ran(project) == ["evil.py", "evil.py", "evil.py"]
    trust._running.clear()


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("GITHUB_ACTIONS", "true"), ("PHRASING_TRUST", "0")])
def test_in_ci_it_takes_a_word_too(project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    call("check", code=MISTAKE)
    monkeypatch.setenv("PHRASING_TRUST", "1")
    call("check")


# ---------------------------------------------------------------------------------------------- whole processes


def process(root: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PHRASING_TRUST", "PYTHONSAFEPATH")}
    environment = {**kept, "PYTHONPATH": str(REPOSITORY / "src"), **more}
    options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, cwd=root, env=environment, check=False, **options)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["-p", "conftest"])
def test_pytest_runs_none_of_it(project: Path, option: str) -> None:
    suite = (project / "evals" / "small.yaml").read_text()
    (project / "evals" / "small.yaml").write_text(f"{suite}require:\n- {{score: step, min: 0.5}}\n")
    words = ["-p", "phrasing.pytest_plugin"] if option == "-p" else []
    (project / "conftest.py").write_text("" if words else 'pytest_plugins = ["phrasing.pytest_plugin"]\n')
    done = process(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "evals/small.yaml")
    assert done.returncode == 2, done.stdout
    assert "isn't trusted; read what it does, then: phrasing trust add" in " ".join(done.stdout.split())
    assert ran(project) == []


SHADOWS = ("baml_py", "click", "jinja2", "json", "litellm", "multiprocessing", "pydantic", "tiktoken", "yaml")
PROGRAM = "import sys; from phrasing.__main__ import main\nif __name__ == '__main__': main()\n"


CHECK = "check evals/plain.yaml"
STARTS = [(way, words) for way in ("a program", "-m") for words in (CHECK, "tokens --file traces.jsonl -f lines")]


@pytest.mark.parametrize(("way", "words"), few(STARTS, [("-m", CHECK)]))
def test_nothing_is_imported_from_the_working_folder(project: Path, tmp_path: Path, way: str, words: str) -> None:
    for name in SHADOWS:
        (project / f"{name}.py").write_text(RAN)
    (project / "traces.jsonl").write_text((project / "traces.jsonl").read_text() * 20_000)  # enough for more than a process
    world(project, name="plain")
    (tmp_path / "phrasing-program").write_text(PROGRAM)
    command = ["-m", "phrasing"] if way == "-m" else [str(tmp_path / "phrasing-program")]
    made = {"PHRASING_CACHE_DIR": str(tmp_path / "cache")}  # so that BAML's generator runs
    done = process(project, sys.executable, *command, *words.split(), **made)
    assert (done.returncode, ran(project)) == (0, []), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a watcher is a program of the shell here")
def test_git_runs_no_watcher_of_a_repository_that_came_along(project: Path) -> None:
    world(project)
    git(project, "init", "--quiet", "--bare", "store")
    for name in SCAFFOLD_FOLDERS:
        if (project / name).exists():
            shutil.copytree(project / name, project / "store" / name)
    for key, value in (("bare", "false"), ("worktree", "."), ("fsmonitor", f"touch {project}/git.ran; false")):
        git(project, "--git-dir", "store", "config", f"core.{key}", value)
    done = process(project / "store", "git", "status")
    assert ran(project) == ["git"], done.stderr  # it would be run
    (project / "git.ran").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project / "store")
        for words in (["check"], ["check", "--at", "HEAD"], ["run", "evals/small.yaml", "--dry-run"]):
            CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
        phrasing.run("evals/small.yaml", complete=obey)
    assert ran(project) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
@pytest.mark.parametrize(
    ("typed", "expected"),
    few([(b"y\n", ["evil.py"]), (b"n\n", []), (b"\n", []), (b"\x04", [])], [(b"y\n", ["evil.py"]), (b"\n", [])]),
)
def test_at_a_terminal_it_is_asked(project: Path, typed: bytes, expected: list[str]) -> None:
    import pty

    ours, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TERM": "dumb"}
    command = [sys.executable, "-m", "phrasing", "export", "format", "evil"]
    child = subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    said = b""
    while not said.endswith(b"[y/N]: "):
        said += os.read(ours, 4096)
    os.write(ours, typed)
    code = child.wait(60)
    os.close(ours)
    text = said.decode().replace("\r\n", "\n")
    question = f"This Python would run with your rights:\n  formats/evil.py\nRead it first. Trust the project {project}? [y/N]: "
    assert text.startswith(question)
    assert ran(project) == expected
    assert code == (0 if expected else MISTAKE)
    assert trust.confirmed().folders == ((str(project),) if expected else ())
