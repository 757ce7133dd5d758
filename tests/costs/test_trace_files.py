"""Files of traces, counted: the same whatever the number of processes, nothing dropped in silence, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from phrasing.cli import main
from phrasing.costs import estimate, trace_files
from phrasing.costs.trace_files import FileCount, Job
from phrasing.errors import DatasetError, FormatError, ModelError
from phrasing.prompts import formats
from phrasing.tokenizers.tokenizer import open_tokenizer
from support.small_projects import SHIPPED
from support.tiny_runs import FORMATS, cache, case, planned, world

__all__ = ["cache"]

O200K, CL100K = "o200k_base", "cl100k_base"


def job(root: Path, *names: str, **more: Any) -> Job:
    """Write the formats, and say what to count."""
    (root / "formats").mkdir(exist_ok=True)
    for file, text in FORMATS.items():
        (root / "formats" / file).write_text(text)
    return Job(root / "formats", names or ("tags", "lines"), (O200K,), **more)


def write(root: Path, lines: Iterable[Any], name: str = "traces.jsonl") -> Path:
    path = root / name
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))
    return path


def seen(found: FileCount) -> Any:
    """All that an archive says, to compare."""
    tally = found.totals
    columns = {column: (sums, tally.ratio(column)) for column, sums in tally.columns.items()}
    return repr(columns), list(columns), found.threads, found.bad, found.named


def notes(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"events": [{"type": "note", "data": f"note {i} " * (1 + i % 7)}] * (1 + i % 3), **more} for i in range(number)]


# ---------------------------------------------------------------------------------------------- what is counted


def test_threads_cost_what_they_cost_in_a_suite(tmp_path: Path) -> None:
    cases = [case("a-1", group="a"), case("a-2", group="a"), case("b-1"), case("b-2", reply="ask")]
    agents = [{"dataset": "mail", "functions": ["DetermineNextStepMailTerse"]}]  # whose thread is a message by itself
    formats = ["lines", "tags", "calls"]
    resolved = planned(tmp_path, cases=cases, agents=agents, formats=formats, outputs=["tool"])
    suite = estimate.measure(resolved, [open_tokenizer(O200K), open_tokenizer(CL100K)], by_event=True)
    counted = Job(tmp_path / "formats", tuple(formats), (O200K, CL100K), by_event=True)
    found = trace_files.count_file(tmp_path / "datasets" / "mail.jsonl", counted)
    assert (found.threads, found.bad) == (4, 0)
    assert found.totals.variants() == formats
    for (variant, tokenizer), sums in suite.columns.items():
        mine = found.totals.columns[variant.split(",")[2], tokenizer]
        assert mine.segments["thread"] == sums.segments["thread"]
        assert (mine.events, mine.lengths) == (sums.events, sums.lengths)
        assert mine.segments.keys() == {"thread", "framing"}


def test_views_by_event_change_no_count(tmp_path: Path) -> None:
    path = write(tmp_path, notes(20))
    plain, split = trace_files.count_file(path, job(tmp_path)), trace_files.count_file(path, job(tmp_path, by_event=True))
    for column, sums in plain.totals.columns.items():
        assert (split.totals.columns[column].segments, split.totals.columns[column].totals) == (sums.segments, sums.totals)
        assert split.totals.columns[column].characters == sums.characters
        assert split.totals.columns[column].events["note"].tokens == sums.segments["thread"]


def test_the_baseline_is_the_first_format_or_the_one_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, notes(3))
    first, named = trace_files.count_file(path, job(tmp_path)), trace_files.count_file(path, job(tmp_path, baseline="lines"))
    assert first.totals.ratio(("tags", O200K)) is None
    assert first.totals.ratio(("lines", O200K))
    assert named.totals.ratio(("tags", O200K))
    assert named.totals.variants() == ["tags", "lines"]


def test_a_group_is_one_cluster(tmp_path: Path) -> None:
    alike = trace_files.count_file(write(tmp_path, notes(6, group="g")), job(tmp_path)).totals.ratio(("lines", O200K))
    apart = trace_files.count_file(write(tmp_path, notes(6)), job(tmp_path)).totals.ratio(("lines", O200K))
    assert alike
    assert apart
    assert alike.value == apart.value
    assert str(alike.low) == "nan"
    assert apart.low < apart.value


@pytest.mark.parametrize("change", ['["events"][0]["data"] = None', '["events"][1:] = []', '["events"][0].clear()'])
def test_a_format_cant_change_what_the_next_one_gets(tmp_path: Path, change: str) -> None:
    wanted = job(tmp_path, "aaa", "lines", by_event=True)
    (tmp_path / "formats" / "aaa.py").write_text(f'def render(thread):\n    thread{change}\n    return "x"\n')
    path = write(tmp_path, [*notes(5), {"events": [{"type": "note", "data": {"text": [True, 1, 1.0]}}]}])
    both, alone = trace_files.count_file(path, wanted), trace_files.count_file(path, job(tmp_path, "lines", by_event=True))
    assert both.bad == 0
    assert both.totals.columns["lines", O200K] == alone.totals.columns["lines", O200K]


def test_roles_follow_from_a_thread_alone(tmp_path: Path) -> None:
    events = [{"type": "ask", "data": {}}, {"type": "ask_result", "data": "no"}]
    inferred = trace_files.count_file(write(tmp_path, [events]), job(tmp_path, "calls"))
    events = [{**events[0], "role": "step", "call": "c"}, {**events[1], "role": "result", "call": "c"}]
    written = trace_files.count_file(write(tmp_path, [events]), job(tmp_path, "calls"))
    assert inferred.totals.columns == written.totals.columns


# ---------------------------------------------------------------------------------------------- what can't be


GOOD: dict[str, Any] = {"events": [{"type": "note", "data": "x"}]}
CONTRADICTS = {"events": [{"type": "note", "call": "c"}]}


def test_bad_lines_are_counted_and_named(tmp_path: Path) -> None:
    path = write(tmp_path, [GOOD, b"\n", b"{\n", GOOD, *[b"[1]\n"] * 6, GOOD])
    found = trace_files.count_file(path, job(tmp_path))
    assert (found.threads, found.bad) == (3, 7)
    assert [number for number, _ in found.named] == [3, 5, 6, 7, 8]
    assert found.named[0][1].startswith("column 1: not JSON")
    assert seen(found)[:2] == seen(trace_files.count_file(write(tmp_path, [GOOD] * 3), job(tmp_path)))[:2]


def test_a_byte_order_mark_says_nothing(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\n"
    found = trace_files.count_file(write(tmp_path, [marked, marked]), job(tmp_path))
    assert (found.threads, found.bad, found.named[0][0]) == (1, 1, 2)


def test_what_one_format_cant_render_counts_for_none(tmp_path: Path) -> None:
    wanted = job(tmp_path, "lines", "picky")
    (tmp_path / "formats" / "picky.py").write_text(
        'def render(thread):\n    return thread["events"][0]["data"]["text"]\n', encoding="utf-8"
    )
    found = trace_files.count_file(write(tmp_path, [GOOD, {"events": [{"type": "note", "data": {"text": "y"}}]}]), wanted)
    assert (found.threads, found.bad) == (1, 1)
    number, why = found.named[0]
    assert number == 1
    assert "picky.py:2" in why
    assert {sums.n for sums in found.totals.columns.values()} == {1}


def test_roles_that_cant_be_told_matter_to_formats_that_need_them(tmp_path: Path) -> None:
    path = write(tmp_path, [GOOD, CONTRADICTS])
    assert trace_files.count_file(path, job(tmp_path, "lines")).threads == 2
    found = trace_files.count_file(path, job(tmp_path, "lines", "calls"))
    assert (found.threads, found.bad) == (1, 1)
    assert "(roles can't be told: thread.events[0] note: call 'c' not found" in found.named[0][1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "traces.jsonl: holds no threads; wanted one a line"),
        ([b"\n", b" \n"], "traces.jsonl: holds no threads; wanted one a line"),
        ([b"x\n"], "traces.jsonl:1: column 1: not JSON: Expecting value, at 'x'"),
        (
            [b"\n", b"x\n", b"[]\n", b"[]\n"],
            "traces.jsonl:2: column 1: not JSON: Expecting value, at 'x' (and none of the 2 other",
        ),
    ],
)
def test_a_file_without_a_thread_is_an_error(tmp_path: Path, lines: list[bytes], message: str) -> None:
    with pytest.raises(DatasetError) as error:
        trace_files.count_file(write(tmp_path, lines), job(tmp_path))
    assert message in str(error.value)


def test_mistakes_in_names_come_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="'linse' not found"):
        trace_files.count_file(tmp_path / "none.jsonl", job(tmp_path, "linse"))
    for tokenizer, message in ((O200K[:-1], "not found"), ("local/qwen2.5-coder-0.5b", "is read by its server")):
        with pytest.raises(ModelError, match=message):
            trace_files.count_file(tmp_path / "none.jsonl", Job(job(tmp_path).folder, ("lines",), (tokenizer,)))


# ---------------------------------------------------------------------------------------------- processes


@pytest.mark.slow
def test_any_number_of_processes_count_the_same(tmp_path: Path) -> None:
    lines: list[Any] = [{**note, "group": f"g{i // 4}"} for i, note in enumerate(notes(4 * trace_files.BLOCK_LINES))]
    for i in range(100, len(lines), 333):
        lines[i] = b"[1, 2\n"
    path = write(tmp_path, lines)
    wanted = job(tmp_path, "lines", "calls")
    here, one, two = (seen(trace_files.count_file(path, wanted, workers=workers)) for workers in (1, None, 2))
    assert here == one == two
    assert here[3] == 6


KILLS = """
import os, signal

def render(thread):
    if thread["events"][0]["data"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return "x"
"""


@pytest.mark.slow
def test_a_process_that_dies_is_an_error(tmp_path: Path) -> None:
    wanted = job(tmp_path, "kills")
    (tmp_path / "formats" / "kills.py").write_text(KILLS)
    lines = [*notes(3000), {"events": [{"type": "note", "data": "kill"}]}, *notes(3000)]
    with pytest.raises(DatasetError, match="a process that counted its lines was ended from outside, or ran out of memory"):
        trace_files.count_file(write(tmp_path, lines), wanted, workers=2)


WAITS = """
import os, pathlib, time

def render(thread):
    (pathlib.Path(__file__).parent / f"{os.getpid()}.pid").touch()
    time.sleep(600)
"""


MEASURES = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts in the background is born deaf to it
from pathlib import Path
from phrasing.costs import trace_files
trace_files.count_file(Path(sys.argv[1]), trace_files.Job(Path("formats"), ("waits",), ("o200k_base",)), workers=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(tmp_path: Path, ending: signal.Signals) -> None:
    job(tmp_path)
    (tmp_path / "formats" / "waits.py").write_text(WAITS)
    path = write(tmp_path, notes(10 * trace_files.BLOCK_LINES))
    command = [sys.executable, "-c", MEASURES, str(path)]
    parent = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    try:
        workers = waited(lambda: [int(found.stem) for found in (tmp_path / "formats").glob("*.pid")], 2)
        if ending == signal.SIGINT:
            os.killpg(parent.pid, ending)  # as a terminal does
        else:
            parent.send_signal(ending)
        _, said = parent.communicate(timeout=30)
        assert b"SpawnProcess" not in said
        assert waited(lambda: [pid for pid in workers if not gone(pid)], 0) == []
    finally:
        parent.kill()
        parent.wait()


def waited(list_them: Any, number: int) -> list[int]:
    """Wait until there are so many."""
    for _ in range(600):
        if len(found := list_them()) == number:
            return list(found)
        time.sleep(0.1)
    raise AssertionError(f"there are {found}, not {number}")


def gone(pid: int) -> bool:
    """Whether a process is no more, or waits only to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# ---------------------------------------------------------------------------------------------- large


@pytest.mark.slow
@pytest.mark.parametrize("text", ["a", " ", "\n"], ids=["word", "blanks", "lines"])
def test_an_event_of_50_megabytes_is_counted(tmp_path: Path, text: str) -> None:
    def counted(length: int) -> int:
        path = write(tmp_path, [{"events": [{"type": "note", "data": text * length}, *GOOD["events"]]}])
        found = trace_files.count_file(path, Job(SHIPPED, ("xml_yaml",), (O200K,)))
        assert (found.threads, found.bad) == (1, 0)
        return found.totals.columns["xml_yaml", O200K].segments["thread"]

    around = counted(1)
    assert counted(50_000_000) - around == pytest.approx(500 * (counted(100_000) - around), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["a", " ", "\n", "{", "1", "1:", "x \n", "- ", "</a>", "\u00e9"])
@pytest.mark.parametrize("name", sorted(formats.available(SHIPPED)))
def test_no_format_hangs_on_long_texts(name: str, text: str) -> None:
    long = text * (5_000_000 // len(text))  # what grows with the square would take hours
    events = [{"type": "note", "data": {"text": long}, "role": "input", "call": None}]
    rendering = formats.render_events(formats.load(SHIPPED, name), events)
    prompt = trace_files.prompt_of(rendering)
    assert sum(len(piece.text) for pieces in prompt.pieces for piece in pieces) >= len(long.strip())


# ---------------------------------------------------------------------------------------------- the command line


BOTH = ("--tokenizer", O200K, "--tokenizer", CL100K)


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["tokens", *arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    world(tmp_path, formats=["lines", "tags"], baseline={"format": "tags"}, tokenizer=CL100K)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_a_file_at_80_columns(project: Path, golden: Callable[[str, str], None]) -> None:
    write(project, [*notes(9), b"{\n", CONTRADICTS])
    done = CliRunner().invoke(main, ["tokens", "--file", "traces.jsonl", "-f", "calls", "-f", "lines", *BOTH])
    assert max(map(len, done.stdout.splitlines())) <= 80
    golden("tokens/file.txt", done.stdout)
    assert done.exit_code == 3
    assert done.stderr.splitlines()[:2] == [
        "2 lines of traces.jsonl can't be counted, and count for no format:",
        "  line 10: column 1: not JSON: Expecting property name enclosed in double quotes, at the end of the line",
    ]
    assert done.stderr.splitlines()[2].startswith("  line 11: formats/calls.py:")


def test_a_suite_lends_formats_baseline_and_tokenizer(project: Path) -> None:
    write(project, notes(9))
    run("evals/small.yaml", "--file", "traces.jsonl", "-o", "out.json")
    rows = json.loads((project / "out.json").read_text())
    assert [(row["format"], row["tokenizer"], row["ratio"] is None) for row in rows] == [
        ("lines", CL100K, False),
        ("tags", CL100K, True),
    ]
    run("evals/small.yaml", "--file", "traces.jsonl", "-f", "calls", "--tokenizer", O200K, "-o", "out.json")
    rows = json.loads((project / "out.json").read_text())
    assert [(row["format"], row["tokenizer"], row["ratio"]) for row in rows] == [("calls", O200K, None)]


@pytest.mark.parametrize("by", ["event", "length"])
def test_other_views(project: Path, by: str) -> None:
    write(project, notes(9))
    assert "calls" in run("--file", "traces.jsonl", "-f", "calls", "-f", "tags", "--by", by)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a suite or a run, or a file of threads with --file traces.jsonl -f FORMAT"),
        (["--file", "traces.jsonl"], "--file needs a format, -f FORMAT; there are: calls, lines, tags"),
        (["--file", "none.jsonl", "-f", "tags"], "none.jsonl: can't be read: No such file or directory"),
        (["--file", "traces.jsonl", "-f", "tag"], "format 'tag' not found (did you mean 'tags'?)"),
        (["--file", "traces.jsonl", "-f", "tags", "--by", "case", "-n", "3"], "leave out --by case, -n"),
        (["--file", "traces.jsonl", "-f", "tags", "--against", "main"], "leave out --against"),
        (["--file", "traces.jsonl", "-f", "tags", "--tokenizer", "local/qwen2.5-coder-0.5b"], "is read by its server"),
    ],
)
def test_mistakes(project: Path, arguments: list[str], message: str) -> None:
    write(project, notes(1))
    assert message in " ".join(run(*arguments, code=2).split())
