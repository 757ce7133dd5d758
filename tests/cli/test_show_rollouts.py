"""`phrasing show` of an agent that was run to its end: all steps in short, one in full, two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import phrasing
from phrasing.analysis.run import Run
from phrasing.cli import layout
from phrasing.report import recording
from phrasing.runs import run_folders
from phrasing.types import Completion, Request
from support.tiny_commands import call
from support.tiny_rollouts import ran
from support.tiny_runs import cache

__all__ = ["cache"]

AGENT = "DetermineNextStepMail@talk,none"


@pytest.fixture(scope="module")
def done(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return ran(tmp_path_factory.mktemp("rollouts"))


def shown(done: Run, *words: str, code: int = 0) -> str:
    return call("show", str(done.folder), *words, code=code).output


def test_all_steps_stand_one_under_the_other(done: Run) -> None:
    out = shown(done, f"t-3[{AGENT},lines")
    assert out.splitlines()[:13] == [
        f"mail::t-3[{AGENT},lines,prompted,scripted]#0",
        '     shown  mail {"text": "t-3, plan: send send finish; tags: finish;"}',
        '  1  0 s: send(to="ann", urgent=false)',
        '     error  "the mail server is away"',
        '  2  1 s: send(to="ann", urgent=false)',
        '     shown  send_result "sent"',
        '     effect sent {"to": "ann", "urgent": false}',
        "  3  2 s: finish()",
        "── ended ──",
        "done, after 3 steps and 3 s",
        "(stop; tokens: prompt 330, completion 30; 1.50 s)",
        "success: 1",
        "thorough: 0",
    ]
    assert out.endswith(f"One step in full: phrasing show {done.folder} TRIAL/3\n")


def test_the_list_names_runs_that_failed_or_did_harm(done: Run) -> None:
    out = shown(done)
    assert f"mail::t-5[{AGENT},tags,prompted,scripted]#0\n    success: no step is left of 3\n" in out
    assert f"mail::t-5[{AGENT},lines,prompted,scripted]#0\n    did what is forbidden: sent " in out
    assert f"mail::t-3[{AGENT},tags,prompted,scripted]#0\n    success: ended: done\n" in out
    assert "t-1[" not in out
    assert "\n5 of 10 trials. " in out


def test_what_is_long_is_cut_and_says_how_much_more_there_is(done: Run) -> None:
    out = shown(done, f"t-2[{AGENT},lines")
    (line,) = [line for line in out.splitlines() if "look_up_result" in line]
    assert len(line) in (79, 80)
    kept, more = line.removesuffix(" more").split("… ")
    whole = f"     shown  look_up_result {json.dumps({'found': [f'ann-{i}' for i in range(99)]})}"
    assert whole.startswith(kept)
    assert len(kept) + int(more) == len(whole)
    assert max(len(line) for line in out.splitlines()[1:-1]) <= 80


def test_time_that_passes_harm_and_the_limit_show(done: Run) -> None:
    waited = shown(done, f"t-2[{AGENT},tags")
    assert '  2  1 s: ask(message="who?")\n     shown  human_response "ann, of course"\n  3  62 s: send(' in waited
    assert '     harm   sent {"to": "ann", "urgent": false}\n' in shown(done, f"t-5[{AGENT},lines")
    assert "limit, after 3 steps and 3 s: no step is left of 3\n" in shown(done, f"t-5[{AGENT},tags")
    assert "\n  1  0 s: no step: " in shown(done, f"t-4[{AGENT},tags")


def test_a_step_is_shown_in_full(done: Run) -> None:
    out = shown(done, f"t-2[{AGENT},tags,prompted,scripted]#0/2")
    parts = [
        f"mail::t-2[{AGENT},tags,prompted,scripted]#0/2\n── step 2 of 4 ──\n── what came of step 1 ──\n(until 1 s",
        'shown look_up_result: {\n "found": [\n  "ann-0",',
        'effect looked_up: {\n "query": "ann"\n}\n── system ──\nYou send mail for a person.',
        '── answer ──\n{"intent": "ask", "message": "who?"}\n',
        '── parsed ──\n{"step":{"intent":"ask"',
        '── what came of step 2 ──\n(until 62 s of virtual time)\nshown human_response: "ann, of course"\n',
    ]
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    assert "── ended ──" not in out
    last = shown(done, f"t-2[{AGENT},tags/4")
    assert "── ended ──\ndone, after 4 steps and 64 s\n" in last


def test_a_trial_or_a_step_that_isnt_there_says_what_is(done: Run) -> None:
    assert f"t-2[{AGENT},tags,prompted,scripted]#0 has no step 5; they are 1 to 4\n" in shown(done, f"t-2[{AGENT},tags/5", code=2)
    assert "has no step 0; they are 1 to 4\n" in shown(done, f"t-2[{AGENT},tags/0", code=2)
    assert "trial 't-9' not found" in shown(done, "t-9/1", code=2)
    assert "'t-2[' matches 2 trials; one of: mail::t-2[" in shown(done, "t-2[", code=2)
    assert "--against takes a trial of an agent" in shown(done, "--against", "tags", code=2)


def test_two_runs_stand_side_by_side_and_where_they_part_is_marked(done: Run) -> None:
    out = shown(done, f"t-2[{AGENT},lines", "--against", "tags")
    lines = out.splitlines()
    assert lines[:2] == [f"mail::t-2[{AGENT},lines,prompted,scripted]#0", f"against mail::t-2[{AGENT},tags,prompted,scripted]#0"]
    (place,) = [number for number, line in enumerate(lines) if line == "── here they part: step 2 ──"]
    both = [part.strip() for part in lines[place + 1].split("│")]
    assert both == [
        '2  1 s: send(to="ann", urgent=false)',
        '2  1 s: ask(message="who?")',
    ]
    assert not any(" 2  1 s" in line for line in lines[:place])
    assert all(len(line) <= 80 for line in lines[2:])
    assert shown(done, "t-2", "--against", "tags") == out  # whichever the other isn't
    same = shown(done, f"t-1[{AGENT},lines", "--against", "tags")
    assert "── ended; both took the same steps ──" in same
    assert "part" not in same
    # one side goes on where the other has ended
    assert "── here they part: step 1 ──" in shown(done, f"t-3[{AGENT},tags", "--against", "lines")
    assert "not found; there are: mail::t-3[" in shown(done, f"t-3[{AGENT},tags", "--against", "t-2", code=2)


def test_a_recording_shows_the_steps_and_says_what_it_lacks(done: Run, tmp_path: Path) -> None:
    kept = tmp_path / "recorded"
    recording.record(done, kept)
    assert sorted(Run(kept).steps) == sorted(done.steps)
    out = call("show", str(kept), f"t-3[{AGENT},lines").output
    assert '\n  1  send(to="ann", urgent=false)\n     what happened isn\'t kept\n  2  send(' in out
    assert "A recording keeps no prompts, and not what happened between steps" in out
    step = call("show", str(kept), f"t-3[{AGENT},lines/2").output
    assert "── prompt ──\nnot kept\n── answer ──\n" in step


def test_a_trial_that_goes_on_says_so(done: Run, tmp_path: Path) -> None:
    lines = (done.folder / run_folders.RESULTS).read_text().splitlines(keepends=True)
    short = [line for line in lines if "t-2[" not in line or '"step"' in line]
    folder = tmp_path / "short"
    folder.mkdir()
    for name in (run_folders.RUN, run_folders.PROMPTS):
        (folder / name).write_bytes((done.folder / name).read_bytes())
    (folder / run_folders.RESULTS).write_text("".join(short))
    out = call("show", str(folder), f"t-2[{AGENT},lines").output
    assert "── not ended ──\nIt has 3 steps so far" in out


@given(st.text(), st.integers(20, 90), st.integers(0, 6), st.integers(1, 4))
def test_lines_fit_and_nothing_is_lost_but_what_is_counted(content: str, width: int, indent: int, most: int) -> None:
    content = " ".join(content.split())
    lines = layout.folded(content, indent=indent, most=most, width=width)
    assert len(lines) <= most
    assert all(cell_len(line) <= width for line in lines)
    whole = "".join("".join(line.split()) for line in lines)
    kept, _, more = whole.rpartition("…")
    if more.endswith("more") and lines[-1].endswith(" more") and "…" not in content:
        assert "".join(layout.visible(content).split()).startswith(kept)
        assert int(more.removesuffix("more")) > 0
    elif "…" not in content:
        assert whole == "".join(layout.visible(content).split())


def test_a_replayed_recording_is_the_run_again(done: Run, tmp_path: Path) -> None:
    async def nobody(request: Request) -> Completion:
        raise AssertionError(request)

    recording.record(done, tmp_path / "recorded")
    suite = done.folder.parents[2] / "evals" / "small.yaml"
    again = phrasing.run(suite, complete=nobody, replay=tmp_path / "recorded", runs=tmp_path / "again")
    assert not again.errors
    trial = f"t-2[{AGENT},tags"
    assert shown(again, trial).splitlines()[:-1] == shown(done, trial).splitlines()[:-1]
