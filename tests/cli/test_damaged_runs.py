"""Run folders that something went wrong with, by every verb that takes a run: a warning or one line of error, no traceback."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import phrasing
from phrasing.analysis.run import Run
from phrasing.cli import main
from phrasing.cli.common import MISTAKE, PARTIAL
from phrasing.errors import StoreError
from phrasing.runs import run_folders, store
from phrasing.types import Completion, Request
from support.broken_records import broken
from support.tiers import few
from support.tiny_commands import call, project, recorded
from support.tiny_runs import cache, loaded, obey, world

__all__ = ["cache", "loaded", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

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
        assert len(line) < 900
        assert not any(other.startswith("error: ") for other in before)
    return done


def tried(names: list[str], run: Path) -> list[Result]:
    """Run these verbs on a run."""
    return [told(*(word.format(run=run, other="other") for word in VERBS[name])) for name in names]


@pytest.fixture
def run(project: Path, loaded: None) -> Path:
    """The folder of a run with a gate, and a copy of it, ``other``."""
    world(project, require=[{"score": "intent", "min": 0.5}])
    folder = recorded().folder
    shutil.copytree(folder, "other")
    return folder


# ---------------------------------------------------------------------------------------------- contents


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


def rewritten(path: Path, change: Callable[[Any, random.Random], Any], luck: random.Random) -> None:
    """Change some of the lines of a file of JSON lines, or a file that is one record."""
    if path.suffix == ".json":
        path.write_text(json.dumps(change(json.loads(path.read_bytes()), luck)))
        return
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for number in luck.sample(range(len(lines)), 2):
        lines[number] = change(lines[number], luck)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def flipped(path: Path, luck: random.Random) -> None:
    whole = bytearray(path.read_bytes())
    for _ in range(luck.randint(1, 5)):
        whole[luck.randrange(len(whole))] ^= 1 << luck.randrange(8)
    path.write_bytes(bytes(whole))


def cut(path: Path, luck: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: luck.randrange(path.stat().st_size)])


FILES = (run_folders.RUN, run_folders.RESULTS, run_folders.PROMPTS)
DAMAGE: dict[str, Callable[[Path, random.Random], None]] = {
    "broken": lambda folder, luck: rewritten(folder / luck.choice(FILES), broken, luck),
    "edited": lambda folder, luck: rewritten(folder / luck.choice(FILES), edited, luck),
    "record edited": lambda folder, luck: rewritten(folder / run_folders.RUN, edited, luck),
    "bits flipped": lambda folder, luck: flipped(folder / luck.choice(FILES), luck),
    "cut": lambda folder, luck: cut(folder / luck.choice(FILES), luck),
}


def damaged(run: Path, kind: str, seeds: range) -> None:
    """Damage a run in a way, and try a few verbs on it; again for each seed."""
    for seed in seeds:
        luck = random.Random(f"{kind} {seed}")
        shutil.rmtree(run)
        shutil.copytree("other", run)
        DAMAGE[kind](run, luck)
        tried(luck.sample(list(VERBS), 3), run)


@pytest.mark.parametrize("kind", few(DAMAGE, ["cut"]))
def test_damaged_runs_end_in_a_line(run: Path, kind: str) -> None:
    damaged(run, kind, range(1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGE)
def test_many_damaged_runs_end_in_a_line(run: Path, kind: str) -> None:
    damaged(run, kind, range(1, 60))


@pytest.fixture
def cut_off(run: Path) -> tuple[str, bytes]:
    """Cut the second result off: what is said of it, and what is left of it."""
    path = run / run_folders.RESULTS
    first, second, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, second[:-9] + b"\n", *rest]))
    return f"{path}: 1 damaged line is left out: line 2 (not JSON: ", second[:-9] + b"\n"


LEAVING_OUT = [name for name in VERBS if name not in ("merge", "replay", "resume", "score", "show repaired")]


@pytest.mark.parametrize("name", few(LEAVING_OUT, ["show", "report against", "compare with another", "tokens of a run"]))
def test_damaged_lines_are_left_out_and_said(run: Path, cut_off: tuple[str, bytes], name: str) -> None:
    (done,) = tried([name], run)
    assert f"warning: {cut_off[0]}" in done.stderr
    assert "phrasing show latest --repair sets what is damaged aside" in done.stderr


def test_damaged_lines_are_set_aside_and_asked_again(run: Path, cut_off: tuple[str, bytes]) -> None:
    left, damaged = cut_off
    path = run / run_folders.RESULTS
    page = call("report", str(run)).stdout
    assert "warning: results.jsonl: 1 damaged line is left out: line 2" in page
    assert "1 of 12 trials weren't asked." in page
    done = call("show", str(run), "--repair")
    assert done.stderr.startswith(left)
    assert (
        f"; kept in {path}.damaged\n1 trials have no answer; ask them again: phrasing run evals/small.yaml --resume latest"
        in done.stderr
    )
    assert Path(f"{path}.damaged").read_bytes() == damaged
    assert "warning" not in call("show", str(run)).stderr
    call("run", "evals/small.yaml", "--resume", str(run), "--replay", "other")
    assert Run(run).results == Run("other").results
    assert Run(run).unanswered == 0


def test_a_run_with_damaged_lines_is_brought_up_to_date_and_scored(run: Path) -> None:
    path = run / run_folders.RESULTS
    path.write_bytes(path.read_bytes().replace(b'"send"', b'"send', 1))
    done = call("score", str(run), code=PARTIAL)
    assert "1 damaged line is left out" in done.stderr
    assert Path(f"{path}.damaged").read_bytes().count(b"\n") == 1
    asked: list[Request] = []

    async def answer(request: Request) -> Completion:
        asked.append(request)
        return await obey(request)

    phrasing.run("evals/small.yaml", resume=run, complete=answer)
    assert len(asked) == 1
    assert Run(run).results.keys() == Run("other").results.keys()


def test_lost_prompts_are_kept_again_when_a_run_is_brought_up_to_date(run: Path) -> None:
    whole = store.prompts(run)
    (run / run_folders.PROMPTS).unlink()
    call("show", str(run), TRIAL, code=MISTAKE)
    call("run", "evals/small.yaml", "--resume", str(run), "--replay", "other")
    assert store.prompts(run) == whole
    call("show", str(run), TRIAL)


# ---------------------------------------------------------------------------------------------- files

THINGS: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "loop": lambda path: path.symlink_to(path.absolute()),
    "pipe": lambda path: os.mkfifo(path),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "empty": Path.touch,
    "nothing": lambda path: None,
}


PLACES = [(file, thing) for thing in THINGS for file in (*FILES, ".lock")]


@pytest.mark.parametrize(("file", "thing"), few(PLACES, zip((*FILES, ".lock"), [*THINGS][::2], strict=True)))
def test_what_is_no_file_ends_in_a_line(run: Path, file: str, thing: str) -> None:
    (run / file).unlink(missing_ok=True)
    THINGS[thing](run / file)
    tried([*random.Random(f"{file} {thing}").sample(list(VERBS), 2), "show trial", "resume"], run)


@pytest.mark.parametrize("thing", few(THINGS, ["loop", "empty"]))
def test_a_folder_that_is_none_ends_in_a_line(run: Path, thing: str) -> None:
    shutil.rmtree(run)
    THINGS[thing](run)
    for name in VERBS:
        (done,) = tried([name], run)
        assert done.exit_code == (PARTIAL if (name, thing) == ("replay", "empty") else MISTAKE)


NAMES = [
    "with space", "it's", 'qu"ote', "é \U0001f389", "-dash", "new\nline", "a" * 255, "a" * 256, "x/" * 600, "a" * 5000,
    "not UTF-8 \udcff", "%s{0}", "[b]*?", "\x1b[31mred", "~", "$HOME;",
]  # fmt: skip


PLAIN = ["a" * 256, "not UTF-8 \udcff"]


@pytest.mark.parametrize("name", few(NAMES, PLAIN), ids=[ascii(name[:10]) for name in NAMES])
def test_odd_names_of_folders_end_in_a_line(run: Path, name: str) -> None:
    odd = run.parent / name
    with suppress(OSError):  # no system has names of 256 bytes
        run.rename(odd)
    if "\udcff" in name:
        recorded()
    luck = random.Random(ascii(name))
    done = tried([*luck.sample(list(VERBS), 3), "show", "resume"], odd)
    refused = len(name) > 255 or "\udcff" in name
    assert {each.exit_code for each in done[-2:]} == {MISTAKE if refused else 0}
    if "\udcff" in name:
        assert odd.exists()
        assert "\udcff" not in str(run_folders.find(Path("runs"), "latest"))


# ---------------------------------------------------------------------------------------------- the system


@contextmanager
def as_another(folder: Path) -> Iterator[None]:
    """Be somebody who may read in a folder but not write, if the system lets one be."""
    if os.geteuid() != 0:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            yield
        finally:
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


READING = ("show", "show trial", "report", "compare", "tokens of a run")
WRITING = ("show repaired", "report charts", "score", "view", "resume", "replay")


@pytest.mark.slow
def test_what_may_not_be_written_ends_in_a_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried([*READING, *WRITING], run)  # what they import may be read by nobody else
    with tempfile.TemporaryDirectory() as elsewhere:
        shutil.copytree(".", elsewhere, dirs_exist_ok=True)
        Path(elsewhere).chmod(0o755)
        monkeypatch.chdir(elsewhere)
        with as_another(Path(elsewhere)):
            before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.name != ".lock"}
            assert {done.exit_code for done in tried(list(READING), run)} == {0}
            for done in tried(list(WRITING), run):
                assert done.exit_code == MISTAKE
                assert "Permission denied" in done.stderr
        assert {path: path.read_bytes() for path in before} == before
        if os.geteuid() == 0:
            for file in FILES:
                (run / file).chmod(0o600)
                with as_another(Path(elsewhere)):
                    assert "can't be read: Permission denied" in tried(["show trial"], run)[0].stderr
                (run / file).chmod(0o644)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 100, 3000])
def test_a_full_disk_ends_in_a_line(run: Path, limit: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    verbs = ["report charts", "score", "view", "replay"]
    tried(verbs, run)
    before = [path for path in run.iterdir() if path.suffix == ".json"]
    results = (run / run_folders.RESULTS).read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        done = tried(verbs, run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for each in done:
        assert each.exit_code == MISTAKE
        assert "can't be written: " in each.stderr
    assert (run / run_folders.RESULTS).read_bytes() == results
    assert all(path.exists() for path in before)


def test_a_summary_that_cant_be_added_to_ends_in_a_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for target in ("evals", "none/summary.md", "/dev/full"):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", target)
        done = told("report", str(run), "--summary", target)
        assert done.exit_code == MISTAKE
        assert done.stderr.startswith(f"error: {target}: can't be written: ")


def test_a_folder_that_vanishes_during_a_run_ends_in_a_line(project: Path) -> None:
    folders: list[Path] = []

    async def answer(request: Request) -> Completion:
        shutil.rmtree(folders[0], ignore_errors=True)
        return await obey(request)

    with pytest.raises(StoreError, match=r"ended.json: can't be written: No such file or directory|was deleted"):
        phrasing.run("evals/small.yaml", complete=answer, started=lambda folder, plan: folders.append(folder))
