"""The verbs that write reports: several runs, every kind of file, pictures beside Markdown, the page in its place."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pandas as pd
import pytest

import phrasing
from phrasing.analysis import dataframes
from phrasing.analysis.run import Run
from phrasing.report import recording
from phrasing.runs import run_folders
from support.tiers import few
from support.tiny_commands import printed_by
from support.tiny_runs import cache, obey, world

__all__ = ["cache"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two runs, which is where the shell is."""
    suite = world(tmp_path)
    for _ in range(2):
        phrasing.run(suite, complete=obey)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folders() -> list[str]:
    return [str(path.parent) for path in sorted(Path("runs").glob("*/*/run.json"))]


def test_trials_of_several_runs_are_told_apart_in_csv_and_parquet(project: Path) -> None:
    first, second = folders()
    printed_by("report", first, second, "-o", "both.csv", "-o", "both.parquet", "-o", "one.parquet")
    table = pd.read_csv("both.csv")
    assert table.columns[0] == "run"
    assert list(table["run"].unique()) == [f"small ({Path(folder).name})" for folder in (first, second)]
    packed = pd.read_parquet("both.parquet")
    assert dataframes.csv(packed) == Path("both.csv").read_text()
    printed_by("report", first, "-o", "one.parquet")
    assert "run" not in pd.read_parquet("one.parquet").columns
    assert {"correct", "forbidden", "latency", "cost"} <= set(packed.select_dtypes("float64").columns)
    assert packed["prompt_tokens"].dtype == "Int64"


@pytest.mark.slow
def test_a_kind_can_be_printed(project: Path) -> None:
    printed = printed_by("report", "latest", "--format", "csv")
    assert list(pd.read_csv(io.StringIO(printed))["trial"]) == sorted(Run(Path(folders()[-1])).results)
    assert printed_by("report", "latest", "--format", "html").startswith("<!doctype html>")
    assert "JUnit takes one run" in printed_by("report", *folders(), "--format", "junit", code=2)
    assert "--against take one run" in printed_by("report", *folders(), "--against", "latest", code=2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["svg", "png"])
def test_markdown_has_its_pictures_beside_it(project: Path, kind: str) -> None:
    Path("one-charts").mkdir()
    Path("one-charts", f"old.{kind}").write_text("x")
    printed_by("report", "latest", "-o", "one.md", "--charts", kind)
    drawn = sorted(path.name for path in Path("one-charts").iterdir())
    assert f"old.{kind}" not in drawn
    text = Path("one.md").read_text()
    assert all(f"](one-charts/{name})" in text for name in drawn)
    assert f"accuracy-tokens.{kind}" in drawn
    printed_by("report", *folders(), "-o", "two.md", "--charts", kind)
    assert {"1-segments", "2-segments"} <= {path.stem for path in Path("two-charts").iterdir()}
    assert Path("two.md").read_text().count("\n# small: ") == 1


@pytest.mark.slow
def test_the_page_of_a_run_lies_beside_it(project: Path) -> None:
    newest = folders()[-1]
    assert printed_by("view", "latest", "--no-open") == f"{newest}/report.html\n"
    assert Path(newest, "report.html").read_text().startswith("<!doctype html>")
    both = printed_by("view", *folders(), "--no-open")
    assert Path(both.strip()).read_text().count('<article class="run"') == 2


@pytest.mark.slow
def test_the_page_of_a_recording_lies_in_the_cache(project: Path) -> None:
    folder = recording.update_recording(Run(Path(folders()[-1])))
    before = sorted(folder.rglob("*"))
    path = Path(printed_by("view", str(folder), "--no-open").strip())
    assert "A recording keeps no prompts" in path.read_text()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.slow
def test_templates_of_the_project_go_first(project: Path) -> None:
    Path("reports", "templates").mkdir(parents=True)
    Path("reports", "templates", "report.css").write_text("body { color: teal; }")
    printed_by("report", "latest", "-o", "x.html")
    assert "color: teal" in Path("x.html").read_text()


@pytest.mark.parametrize("kind", few(["html", "markdown", "csv"], ["markdown"]))
def test_equal_results_give_equal_bytes_in_any_order(project: Path, kind: str) -> None:
    before = printed_by("report", "latest", "--format", kind)
    for name in (run_folders.RESULTS, run_folders.PROMPTS):
        path = Path(folders()[-1], name)
        lines = path.read_text().splitlines(keepends=True)
        random.Random(1).shuffle(lines)
        path.write_text("".join(lines))
    assert printed_by("report", "latest", "--format", kind) == before


def test_report_is_written_and_printed(project: Path) -> None:
    printed = printed_by("report", "latest")
    said = printed_by("report", "latest", "-o", "one.md", "-o", "two.csv", "--charts", "none")
    assert said == "wrote one.md\nwrote two.csv\n"
    assert (project / "one.md").read_text() == printed
    assert printed.startswith("# small: Do tags change the step?\n")
    assert len((project / "two.csv").read_text().splitlines()) == 13
    assert str(project) not in printed + (project / "two.csv").read_text()
