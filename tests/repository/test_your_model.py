"""docs/your-model.md: its table says what dry runs say, its commands work, and recordings of other models are held to suites."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.report import recording
from phrasing.runs import run_folders
from phrasing.types import Completion, Request
from support.fault_server import answer, failure
from support.paths import REPOSITORY
from support.small_projects import cache
from support.tiny_runs import obey, serving, world
from support.tools import tool

__all__ = ["cache"]

PAGE = (REPOSITORY / "docs" / "your-model.md").read_text("utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^phrasing .+$", PAGE, re.MULTILINE)]
SAID = '{"intent": "finish"}'


@pytest.fixture(scope="module")
def your_model() -> ModuleType:
    return tool("your_model")


@pytest.fixture(scope="module")
def recordings() -> ModuleType:
    return tool("recordings")


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


@pytest.mark.slow
def test_the_table_says_what_dry_runs_say(your_model: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    sizes, dollars = (re.search(rf"<!-- {name} -->.*?^\| steps \| (.*?) \|$", PAGE, re.M | re.S) for name in ("sizes", "dollars"))
    assert sizes
    assert dollars
    for id, price in zip(your_model.MODELS, dollars[1].split(" | "), strict=True):
        told = said("run", "evals/study/steps.yaml", "-m", id, "-p", "cache_prompt=null", "--dry-run")
        calls, tokens, exact = re.findall(
            r"(\d+) calls, about ([\d,]+) prompt tokens by o200k_base, \$([\d.]+) \(answers of", told
        )[0]
        assert (f"{calls} | {tokens}", f"{float(exact):.2f}") == (sizes[1], price)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped project, with runs and recordings elsewhere than in the checkout, and a recording of ``steps`` by a script."""
    for name in ("baml_src", "datasets", "formats", "prompts", "evals"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHRASING_TRUST", "1")

    async def scripted(request: Request) -> Completion:
        return Completion(text=SAID)

    recording.update_recording(phrasing.run("evals/study/steps.yaml", complete=scripted))
    return tmp_path


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A provider of OpenAI's kind that doesn't know the embedded server's parameters, and a key for it."""
    with serving(answer(SAID, usage={"prompt_tokens": 1000, "completion_tokens": 9})) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-mine-1234")
        yield
    assert served.requests
    assert not [request for request in served.requests if "cache_prompt" in request]


@pytest.mark.slow
@pytest.mark.usefixtures("openai")
def test_the_commands_of_the_page(project: Path, recordings: ModuleType) -> None:
    printed = [said(*words) for words in COMMANDS]
    assert len(printed) == 6
    folder = Path("reports/recordings/gpt-4.1-mini/study/steps")
    assert {path.name for path in folder.iterdir()} == {"run.json", "results.jsonl.gz", "report.md", "trials.csv", "charts"}
    assert f"Recorded in {folder}." in printed[1]
    assert "Decided" in printed[2]
    assert "parameter cache_prompt" in printed[3]
    assert list(recordings.problems(folder)) == []
    stored = b"".join(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                      for path in folder.rglob("*") if path.is_file())  # fmt: skip
    assert b"a-key-of-mine" not in stored


def test_a_run_that_stops_is_recorded_when_it_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-mine-1234")
    with serving(answer(SAID)) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        asking = ("run", "evals/small.yaml", "-m", "openai/other", "-p", "seed=null", "--record", "kept")
        told = said(*asking, "--max-calls", "5", code=3)
        assert not Path("kept").exists()
        _, again = told.rsplit("ask them again: phrasing ", 1)
        assert "Recorded in kept." in said(*shlex.split(again))
    assert len(served.requests) == 12
    assert not [request for request in served.requests if "seed" in request]


@pytest.mark.parametrize("part", [("-n", "2"), ("-k", "a-1"), ("--shard", "1/1"), ("--until-decided",)])
def test_a_part_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: tuple[str, ...]) -> None:
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    told = said("run", "evals/small.yaml", *part, "--record", "kept", code=2)
    assert f"--record keeps whole runs; leave out {part[0]}" in told


def recorded(folder: Path, **options: object) -> Path:
    """A recording of another model than the suite's, of a tiny project."""
    world(folder)
    kept = folder / run_folders.RECORDINGS.parent / "recordings" / "other" / "small"
    run = phrasing.run(folder / "evals" / "small.yaml", models=["openai/other"], params={"top_p": 0.5}, complete=obey, **options)  # type: ignore[arg-type]
    recording.record(run, kept)
    return kept


def test_a_recording_may_have_another_model_and_parameters(tmp_path: Path, recordings: ModuleType) -> None:
    assert list(recordings.problems(recorded(tmp_path))) == []


def test_a_recording_of_a_part_is_none(tmp_path: Path) -> None:
    with pytest.raises(phrasing.UserError, match="only a part of the suite was asked"):
        recorded(tmp_path, cases=2)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    kept = recorded(tmp_path)
    (kept / "run.json").unlink()
    shutil.move(kept / "results.jsonl.gz", kept / "mine.gz")
    with pytest.raises(phrasing.UserError, match="holds other files"):
        recorded(tmp_path)


def test_what_a_recording_is_refused_for(tmp_path: Path, recordings: ModuleType) -> None:
    kept = recorded(tmp_path)
    results = gzip.decompress((kept / "results.jsonl.gz").read_bytes())
    better = results.replace(b'"intent":{"value":0.0', b'"intent":{"value":1.0')
    assert better != results
    (kept / "results.jsonl.gz").write_bytes(gzip.compress(better))
    assert list(recordings.problems(kept)) == ["4 of its answers score otherwise now; replay it with --record"]
    (kept / "results.jsonl.gz").write_bytes(gzip.compress(results.split(b"\n", 1)[1]))
    (wrong,) = recordings.problems(kept)
    assert wrong.startswith("1 of 12 trials have no answer")
    (kept / "results.jsonl.gz").write_bytes(gzip.compress(results))
    world(tmp_path, repeats=2)
    assert list(recordings.problems(kept)) == ["evals/small.yaml has other repeats"]


def test_every_recording_of_another_model_is_of_its_suite(recordings: ModuleType) -> None:
    assert recordings.main([]) == 0


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Unrecognized request argument supplied: cache_prompt", "leave out what it doesn't take: -p cache_prompt=null"),
        ("'temperature' does not support 0 with this model.", "leave out what it doesn't take: -p temperature=null"),
        ("Logprobs is not enabled for this model", "leave out what it doesn't take: -p logprobs=null"),
        ("max_tokens is too large", ""),
        ("Unknown parameter: 'elsewhere'", ""),
    ],
)
def test_a_parameter_that_is_refused_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, hint: str
) -> None:
    world(tmp_path, params={"cache_prompt": False, "logprobs": True, "max_tokens": 9})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-mine-1234")
    with serving(failure(400, message)) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        told = said("run", "evals/small.yaml", "-m", "openai/gpt-4.1-mini", code=3)
    assert "stopped: " in told
    assert ("; leave out" in told) == bool(hint)
    assert hint in told
    assert len(served.requests) < 6  # of 12: it stops
