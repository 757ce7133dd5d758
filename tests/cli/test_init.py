"""The verbs that write files for a user: a project is begun, and works at once; so it does from a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from phrasing.cli.common import MISTAKE
from phrasing.project.init import quickstart, shipped_files
from support.paths import REPOSITORY
from support.small_projects import CLIENT, STEPS, cache, case, function, lines, write
from support.tiny_commands import call

__all__ = ["cache"]


RUN = ["run", "evals/quickstart.yaml", "-f", "messages_text", "-f", "xml_yaml", "-n", "2"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the working folder in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def next_commands(output: str) -> list[str]:
    return [line.strip() for line in output.partition("Next:\n")[2].splitlines()]


# ---------------------------------------------------------------------------------------------- init


def test_an_empty_folder_becomes_a_project_that_checks(here: Path) -> None:
    out = call("init").output
    assert contents(here) == {**quickstart(), ".gitignore": b"runs/\n.env\n"}
    assert "wrote formats/edits/noise.py\n" in out
    assert next_commands(out) == ["phrasing check", "phrasing run evals/quickstart.yaml"]
    assert "3 variants, 120 trials: good" in call("check").output


def test_a_second_time_changes_nothing(here: Path) -> None:
    call("init", "evaluation")
    before = contents(here)
    out = call("init", "evaluation").output
    assert contents(here) == before
    assert "wrote" not in out
    assert "left evaluation/formats/json.j2 as it is\n" in out
    assert next_commands(out)[0] == "cd evaluation"


def test_what_is_there_stays(here: Path) -> None:
    mine = {"formats/json.j2": "mine", "formats/toon.j2": "mine", "evals/quickstart.yaml": "mine", "README.md": "mine"}
    write(here, {**mine, ".gitignore": "dist/"})
    out = call("init").output
    there = contents(here)
    assert {name: there[name].decode() for name in mine} == mine
    assert there[".gitignore"] == b"dist/\nruns/\n.env\n"
    assert set(there) == {*quickstart(), *mine, ".gitignore"} - {"formats/toon.py"}
    for said in (
        "left formats/json.j2 as it is; it differs from the one that phrasing writes",
        "left formats/toon.py out: toon.j2 has that name",
        "added to .gitignore",
        "wrote formats/yaml.j2",
    ):
        assert f"{said}\n" in out


def test_all_is_all_that_ships(here: Path) -> None:
    call("init", "--all")
    assert contents(here) == {**shipped_files(), ".gitignore": b"runs/\n.env\n"}


@pytest.fixture
def agent(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's BAML, beside the working folder."""
    write(here, {"agent/baml_src/main.baml": CLIENT + STEPS + function("Mail")})
    (here / "evaluation").mkdir()
    monkeypatch.chdir(here / "evaluation")
    return here / "agent" / "baml_src"


def test_baml_is_used_where_it_stands(agent: Path) -> None:
    before = contents(agent)
    out = call("init", "--baml", "../agent/baml_src").output
    assert contents(agent) == before
    assert not Path("baml_src").exists()
    commands = next_commands(out)
    assert commands == [
        "phrasing import LOG -o datasets/logs.jsonl",
        "phrasing check evals/first.yaml",
        "phrasing run evals/first.yaml",
    ]
    assert (
        "evals/first.yaml:5: agents.0.dataset: dataset 'logs' not found; there are: none; write it"
        in call("check", code=MISTAKE).output
    )
    write(Path(), {"datasets/logs.jsonl": lines(case("a"))})
    assert "3 variants, 3 trials: good" in call("check", "evals/first.yaml").output


def test_a_dataset_that_is_there_is_taken(agent: Path) -> None:
    write(Path("new"), {"datasets/b.jsonl": lines(case("a")), "datasets/a.jsonl": lines(case("a"))})
    out = call("init", "new", "--baml", "../agent/baml_src").output
    assert next_commands(out) == ["cd new", "phrasing check evals/first.yaml", "phrasing run evals/first.yaml"]
    written = Path("new/evals/first.yaml").read_text("utf-8")
    assert "baml_src: ../../agent/baml_src\n" in written
    assert "dataset: a " in written
    assert "# there is also: b\n" in written


def test_a_dataset_can_be_named_and_a_suite_that_is_there_stays(agent: Path) -> None:
    call("init", "--baml", str(agent), "--dataset", "mail")
    first = Path("evals/first.yaml")
    assert "dataset: mail " in first.read_text("utf-8")
    first.write_text("mine", "utf-8")
    assert "left evals/first.yaml as it is; it differs" in call("init", "--baml", str(agent)).output
    assert first.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baml", "nowhere"], "nowhere: no .baml file here"),
        (["--baml", "../agent/baml_src", "--all"], "--all copies a baml_src too"),
        (["--baml", "../agent/baml_src", "--dataset", "datasets/x.jsonl"], "--dataset 'datasets/x.jsonl' must be a name"),
        (["--dataset", "x"], "--dataset 'x' is for --baml"),
        (["../agent"], "baml_src: holds BAML of your own (main.baml), with which calculator.baml could clash"),
        (["../agent/baml_src/main.baml"], "can't be made: Not a directory"),
    ],
    ids=["no BAML", "all", "no name", "name alone", "BAML there", "a file"],
)
def test_mistakes_write_nothing(agent: Path, words: list[str], said: str) -> None:
    before = contents(agent.parents[1])
    assert said in call("init", *words, code=MISTAKE).output
    assert contents(agent.parents[1]) == before


# ---------------------------------------------------------------------------------------------- export


def test_a_format_is_exported_and_again_after_a_change(here: Path) -> None:
    call("init")
    out = call("export", "format", "trace(body=json)").output
    assert out.splitlines()[-1] == "Try it: python exported/trace/test_trace.py"
    assert Path("exported/trace/trace.j2").read_bytes() == Path("formats/trace.j2").read_bytes()
    Path("formats/trace.j2").write_text("{# parameter body: yaml json #}{{ body }}{{ thread.events[0].data.text }}", "utf-8")
    out = call("export", "format", "trace(body=json)").output
    assert "left out, because the format can't render it: unicode: " in out
    assert Path("exported/trace/trace.j2").read_bytes() == Path("formats/trace.j2").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["xml"], "formats: format 'xml' not found"),
        (["json", "-o", "formats"], "formats: holds other files; name a new folder with -o"),
        (["json", "-o", ".gitignore"], ".gitignore: holds other files"),
    ],
    ids=["name", "folder", "file"],
)
def test_an_export_overwrites_nothing(here: Path, words: list[str], said: str) -> None:
    call("init")
    before = contents(here)
    assert said in call("export", "format", *words, code=MISTAKE).output
    assert contents(here) == before


TESTS = ["export", "tests", "calculator", "--function", "DetermineNextStepCalculator"]


def test_a_dataset_is_exported_as_tests_of_the_project(here: Path) -> None:
    call("init")
    out = Path("baml_src/tests.baml")
    written = call(*TESTS, "-o", str(out))
    assert written.stdout == "wrote baml_src/tests.baml\n"
    assert written.stderr == "67 tests of DetermineNextStepCalculator\n"
    assert out.read_text("utf-8").count("\ntest calculator_") == 67
    assert "3 variants, 120 trials: good" in call("check").output
    assert call(*TESTS).stdout == out.read_text("utf-8")
    call(*TESTS, "-f", "json", "-o", str(out))  # an earlier export is written anew
    assert '#"[{"type":"user_input"' in out.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "tests", "sums", "--function", "X"], "datasets: dataset 'sums' not found; there are: calculator"),
        ([*TESTS[:-1], "Calculate"], "baml_src: function 'Calculate' not found"),
        ([*TESTS, "-f", "messages"], "formats/messages.py: makes messages, and an argument of a BAML test is text"),
        ([*TESTS, "-o", "baml_src/human.baml"], "baml_src/human.baml: is there, and isn't of tests exported earlier"),
        ([*TESTS, "-o", "baml_src"], "baml_src: is there, and isn't"),
    ],
    ids=["dataset", "function", "format", "file", "folder"],
)
def test_exported_tests_overwrite_nothing(here: Path, words: list[str], said: str) -> None:
    call("init")
    before = contents(here)
    assert said in call(*words, code=MISTAKE).output
    assert contents(here) == before


# ---------------------------------------------------------------------------------------------- from a wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, made of a source distribution."""
    built = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(built)]
    subprocess.run([*command, "-t", "sdist"], cwd=REPOSITORY, check=True, capture_output=True)
    (source,) = built.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", str(source)], cwd=built, check=True)
    subprocess.run([*command, "-t", "wheel"], cwd=built / source.name.removesuffix(".tar.gz"), check=True, capture_output=True)
    (made,) = built.glob("*.whl")
    return made


@pytest.mark.slow
def test_an_installed_wheel_begins_a_project(wheel: Path, tmp_path: Path) -> None:
    # everything that phrasing needs but what the extra `local` brings, and nothing of this checkout
    packages, ours = tmp_path / "packages", ("phrasing", "_phrasing", "__editable__", "xllamacpp", "pandas_sns")
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(ours):
            (packages / path.name).symlink_to(path)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (site / "packages.pth").write_text(f"{packages}\n", "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PHRASING_CACHE_DIR"] = str(tmp_path / "cache")

    def phrasing(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(python.with_name("phrasing")), *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    begun = phrasing("init", "new")
    assert begun.returncode == 0, begun.stderr
    assert contents(tmp_path / "new") == {**quickstart(), ".gitignore": b"runs/\n.env\n"}
    assert "120 trials: good" in phrasing("check", "new/evals/quickstart.yaml").stdout
    asked = phrasing("run", "new/evals/quickstart.yaml")
    assert asked.returncode == MISTAKE
    assert "pip install 'phrasing[local]'" in asked.stderr
    assert phrasing("init", "all", "--all").returncode == 0
    assert contents(tmp_path / "all").items() >= shipped_files().items()


@pytest.mark.model
def test_the_first_run_of_a_new_project(here: Path) -> None:
    call("init")
    command = [sys.executable, "-m", "phrasing", *RUN]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the step that was chosen" in done.stdout
