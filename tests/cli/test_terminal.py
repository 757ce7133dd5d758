"""What a terminal shows, and what a log shows where there is none."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, cast

import pytest
from rich.console import Console

import phrasing
from phrasing.cli import terminal
from phrasing.costs.tables import Table, View
from phrasing.errors import CompletionError
from phrasing.models.lines import Traffic
from phrasing.records import Failure
from phrasing.types import Completion, Request
from support.tiny_runs import CASES, cache, case, obey, planned, result, says, world

__all__ = ["cache"]

VARIANTS = {
    "formats": {"formats": ["lines", "tags", "json_indented", "messages_text", "xml_yaml"]},
    "functions and models": {
        "agents": [{"dataset": "mail", "functions": ["DetermineNextStepMail", "DetermineNextStepMailTerse"]}],
        "formats": ["lines"],
        "models": [{"label": "mini", "id": "openai/gpt-4.1-mini"}, {"label": "haiku", "id": "anthropic/claude-haiku-4-5"}],
    },
}


@pytest.mark.parametrize("keys", VARIANTS.values(), ids=VARIANTS)
def test_table_of_variants_fits_80_columns_with_a_line_an_variant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: dict[str, object]
) -> None:
    suite = world(tmp_path, repeats=2)
    for name in ("json_indented", "messages_text", "xml_yaml"):
        (tmp_path / "formats" / f"{name}.j2").write_text((tmp_path / "formats" / "tags.j2").read_text())
    world(tmp_path, repeats=2, **keys)

    async def long(request: Request) -> Completion:
        answer = await obey(request)
        usage = answer.usage.model_copy(update={"prompt": 1_345, "completion": 123})
        return answer.model_copy(update={"usage": usage, "latency": 12.34})

    report = phrasing.run(suite, complete=long).report()
    terminal.show(*terminal.report(report))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    at = next(i for i, line in enumerate(lines) if line.startswith("variant "))
    rows = lines[at + 1 : at + 1 + len(report.variants)]
    assert len(rows) == len(report.variants) > 3
    for row, variant in zip(rows, report.variants, strict=True):
        assert row.startswith(report.label(variant["variant"]))
        assert re.search(r" 6 +67 \(22–96\) +67 +100 +1/3 +1,345 ×1\.00 +123 +12\.3$", row)
    assert lines[at + 1 + len(rows)] == "mail without a model: random 25 %, majority 50 %, bigram 50 %, words 33 %"
    assert lines[0] == "Do tags change the step?"
    chosen = next(line for line in lines if "ask 4, send 4, " in line)
    assert chosen.startswith(report.label(report.variants[0]["variant"]))


def test_comparison_at_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    suite = world(
        tmp_path,
        formats=["lines", "tags", "twin"],
        cases=[case(f"a-{i}", tags=["late"] if i > 20 else [], expect="send" if i < 15 else "ask") for i in range(30)],
        compare={"margin": 0.1},
    )
    (tmp_path / "formats" / "twin.j2").write_text((tmp_path / "formats" / "lines.j2").read_text())

    async def better(request: Request) -> Completion:
        """Where tags are shown eleven cases more are right, and one less; one case is never answered."""
        number = int(re.findall(r"a-(\d+),", str(request.messages))[-1])
        if number == 29:
            raise CompletionError("transient", "HTTP 503")
        if "<mail>" not in str(request.messages):
            return says("send", prompt=80)
        return says("ask" if 14 < number < 26 else "finish" if number == 3 else "send")

    run = phrasing.run(suite, complete=better)
    terminal.show(*terminal.compared(run.comparison(), run.report()))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    golden("console/compare.txt", out)


def test_text_from_files_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = world(tmp_path, description="Is [bold]this[/bold] :smile: a [link]?", models=[{"label": ":smile:", "id": "openai/x"}])
    terminal.show(*terminal.report(phrasing.run(suite, complete=obey).report()))
    out = capsys.readouterr().out
    assert "Is [bold]this[/bold] :smile: a [link]?" in out
    assert "model :smile:" in out


def test_progress_without_a_terminal_is_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(tmp_path, cases=CASES[:3])
    with terminal.Progress(len(plan.trials), "asking scripted") as progress:
        progress.started(Path("runs/small/now"), plan)
        for i in range(4):
            progress.add(result(str(i), completion=Completion(text="x", cost=0.25)))
        progress.add(result("4", error=Failure(kind="transient", message="no")))
    err = capsys.readouterr().err
    assert progress.folder == Path("runs/small/now")
    first, last = err.splitlines()
    assert first == "runs/small/now: 6 trials of 2 variants, asking scripted"
    assert re.fullmatch(r"5/6  1 error  \$1\.00  [\d.]+/s  \d+ s left", last)
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (245, "4 min 5 s"), (3599.7, "1 h 0 min"), (12_660, "3 h 31 min"),
     (86_390, "1 d 0 h"), (90_000, "1 d 1 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text


def test_progress_says_something_now_and_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phrasing.cli.terminal.LINE_EVERY", -1.0)
    with terminal.Progress(2, "asking scripted") as progress:
        progress.started(tmp_path, planned(tmp_path))
        progress.add(result("0"))
        progress.add(result("1"))
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()[1:]] == ["1/2", "2/2", "2/2"]


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a terminal of 80 columns with colours."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)


def plain(printed: str) -> str:
    """Leave out what moves and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)


def test_what_takes_long_is_one_line_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.Progress(2, "asking scripted") as progress:
        progress.say("putting tiny together")
        progress.say("loading tiny")
        progress.started(tmp_path, planned(tmp_path))
        progress.say("tiny died")
    first, _, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("putting tiny together", "tiny died")


def test_what_takes_long_is_shown_on_a_terminal_in_a_line_that_is_gone_when_the_bar_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], colourful: None
) -> None:
    plan = planned(tmp_path)
    with terminal.Progress(2, "asking scripted") as progress:
        assert progress._first
        for said in ("putting tiny together, 491 MB, once", f"loading {'x' * 100}", "loading [b]"):
            progress.say(said)
            shown = Console(width=80, file=io.StringIO())
            with shown.capture() as captured:
                shown.print(progress._first.renderable)
            (line,) = captured.get().splitlines()
            assert said[:35] in line
        progress.started(tmp_path, plan)
        capsys.readouterr()
        progress.add(result("0"))
    assert "loading" not in capsys.readouterr().err


def test_progress_of_nothing_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.Progress(3, "asking scripted"):
        pass
    assert capsys.readouterr().err == ""


def test_progress_on_a_terminal_is_a_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str], colourful: None) -> None:
    plan = planned(tmp_path)
    with terminal.Progress(2, "asking scripted") as progress:
        progress.started(tmp_path, plan)
        progress.add(result("0", error=Failure(kind="transient", message="no")))
        progress.add(result("1", completion=Completion(text="x", cost=0.5)))
    err = plain(capsys.readouterr().err)
    assert "2/2" in err
    assert "1 error  $0.50" in err


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_a_table_that_is_too_wide_is_cut_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    headers = ("event", "events", *(f"variant{i} trace(tag=x)" for i in range(9)))
    rows = [(f"kind-{n}", str(n), *(f"{n}{i}.5 <{n}.{i}>" for i in range(9))) for n in range(3)]
    terminal.show(*terminal.view(View([Table(headers, rows, names=2)], about="format x")))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert out.splitlines()[0] == "format x"
    for row in rows:
        assert all(len(re.findall(rf"(?<!\S){re.escape(cell)}(?!\S)", out)) == 1 for cell in row[2:])
        lines = [line for line in out.splitlines() if line.startswith(f"{row[0]} ")]
        assert [line.split()[1] for line in lines] == [row[1]] * len(lines)
    assert all(f"variant{i}" in out for i in range(9))


class Held:
    """A client whose hosts hold requests back."""

    held = ("openai: held to 50/s by the provider",)
    refused: ClassVar = {"openai": (3, 512)}


def test_what_holds_requests_back_is_shown_below_the_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], colourful: None
) -> None:
    with terminal.Progress(2, "asking scripted", cast(Traffic, Held())) as progress:
        progress.started(tmp_path, planned(tmp_path))
        progress.add(result("0", completion=Completion(text="x", cost=0.5)))
    shown = plain(capsys.readouterr().err)
    assert "\nopenai: held to 50/s by the provider" in shown
    assert shown.rstrip().endswith("openai throttled 3 of 512 requests; they were sent again")
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]+", shown) if str(tmp_path) not in line)


def test_what_holds_requests_back_is_a_line_where_it_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phrasing.cli.terminal.LINE_EVERY", -1.0)
    with terminal.Progress(3, "asking scripted", cast(Traffic, Held())) as progress:
        progress.started(tmp_path, planned(tmp_path))
        progress.add(result("0"))
        progress.add(result("1"))
        progress.stopped("mini", "16 requests in a row failed")
        progress.add(result("2"))
    said = capsys.readouterr().err.splitlines()[1:]
    assert [line.split()[0] for line in said] == ["1/3", "openai:", "2/3", "mini", "3/3", "3/3", "openai"]
    assert "mini stopped: 16 requests in a row failed" in said
