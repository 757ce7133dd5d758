"""`phrasing run`: endpoints, replays, resumed and interrupted runs, recordings, and every exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.analysis.run import Run
from phrasing.cli.common import MISSED, MISTAKE, PARTIAL
from phrasing.project import revision
from support.fault_server import answer, failure
from support.tiers import few
from support.tiny_commands import call, flaky, project, recorded, revised, tailed, written
from support.tiny_runs import CASES, Model, cache, case, commit, git, obey, serving, world

__all__ = ["cache", "project", "revised"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def test_words_that_go_on_name_the_edits(project: Path) -> None:
    tailed(project)
    first = recorded(flaky, edits=["tail"])
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "-e", "tail", code=PARTIAL)
    assert "phrasing run evals/small.yaml -e tail --resume runs/" in done.stderr


def test_run_asks_an_endpoint_and_shows_the_table(project: Path) -> None:
    said = json.dumps({"intent": "send", "to": "ann", "urgent": False})
    usage = {"prompt_tokens": 90, "completion_tokens": 9, "total_tokens": 99}
    with serving(answer(said, usage=usage)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1", "price": {"prompt": 1, "completion": 1}}])
        done = call("run", "evals/small.yaml", "--max-cost", "1")
        assert len(served.requests) == 12
    assert re.search(r"^lines +6 +17 \(0–64\) +17 +100 +3/3 +90 ×1\.00 +9 +\d+\.\d$", done.stdout, re.MULTILINE)
    assert re.search(r"^Trials by the step that was chosen\nlines send 6$", done.stdout, re.MULTILINE)
    folder = next((project / "runs" / "small").iterdir()).relative_to(project)
    assert done.stdout.endswith(f"\n\nKept in {folder}\nLook at it: phrasing view latest\n")
    first, *_, last = done.stderr.splitlines()  # in between more lines, where the machine is slow
    assert first == f"{folder}: 12 trials of 2 variants, asking mine"
    assert last.startswith("12/12  0 errors  $0.00  ")
    names = (".lock", "ended.json", "keys.jsonl", "prompts.jsonl", "results.jsonl", "run.json")
    assert written(project) == [f"{folder}/{name}" for name in names]


def test_refused_key_names_the_variable_and_the_run_goes_on_later(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-value-of-a-key")
    with serving(failure(401, "wrong key secret-value-of-a-key"), answer("{}")) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1", "api_key_env": "MY_KEY"}])
        done = call("run", "evals/small.yaml", "-j", "1", "-f", "lines", "-n", "2", code=PARTIAL)
        assert "mine stopped: mine (openai/mine): HTTP 401: the key in MY_KEY was refused" in done.stderr
        assert len(served.requests) == 1
        again = re.search(r"phrasing (run .* --resume .*)$", done.stderr, re.MULTILINE)
        assert again
        call(*shlex.split(again[1]))
        assert len(served.requests) == 3  # the two cases of the one format, as narrowed at first
    everything = "".join((project / name).read_text() for name in written(project)) + done.output
    assert "secret-value" not in everything


def test_dead_endpoint_is_one_line_with_its_address_and_can_be_resumed(project: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    world(project, models=[{"id": "openai/mine", "api_base": url}])
    done = call("run", "evals/small.yaml", "-j", "2", code=PARTIAL)
    assert done.stdout == ""
    *_, again = said = done.stderr.splitlines()
    assert said.count(f"mine stopped: mine (openai/mine): no connection to {url}: is the server running there?") == 1
    folder = next((project / "runs" / "small").iterdir()).relative_to(project)
    assert again == f"Nothing was answered. When that is mended: phrasing run evals/small.yaml --resume {folder}"
    assert call("show", "latest").output.count("error: fatal: mine (openai/mine): no connection to") == 2
    model = Model()
    phrasing.run("evals/small.yaml", resume=folder, complete=model)
    assert len(model.asked) == 12


def test_replay_shows_the_same_table_and_asks_nothing(project: Path) -> None:
    first = recorded()
    one, two = (
        call("run", "evals/small.yaml", "--replay", str(source)) for source in (first.folder, first.folder / "results.jsonl")
    )
    assert one.stdout.partition("Kept in")[0] == two.stdout.partition("Kept in")[0]
    assert "67 (22–96)" in one.stdout


def test_resume_of_a_finished_run_shows_it_again(project: Path) -> None:
    first = recorded()
    before = (first.folder / "results.jsonl").read_bytes()
    done = call("run", "evals/small.yaml", "--resume", "latest", "--replay", "results.jsonl", code=MISTAKE)
    assert "results.jsonl: no such run folder or file" in done.stderr
    done = call("run", "evals/small.yaml", "--resume", "--replay", str(first.folder))
    assert f"Kept in {first.folder}\n" in done.stdout
    assert (first.folder / "results.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_server_that_moved_is_named_and_asked_again_only_on_request(project: Path) -> None:
    said = json.dumps({"intent": "finish"})
    words = ["run", "evals/small.yaml", "-n", "2", "-f", "lines"]
    with serving(answer(said)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}])
        call(*words)
        old = served.url
    with serving(answer(said)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}])
        line = f"mine (openai/mine): answers given at {old}/v1 count; it is asked at {served.url}/v1 now"
        assert line in call(*words, "--resume").stderr.splitlines()
        assert line in call(*words, "--replay", "latest").stderr.splitlines()
        assert served.requests == []
        done = call(*words, "--resume", "--ask-again")
        assert len(served.requests) == 2
        assert "answers given at" not in done.stderr
        assert "answers given at" not in call(*words, "--resume").stderr
        assert call("show", "latest", "--all").stdout.count("[") == 2


def test_dry_run_asks_and_writes_nothing(project: Path) -> None:
    world(project, models=[{"id": "openai/mine", "api_base": "http://127.0.0.1:9"}])
    done = call("run", "evals/small.yaml", "--dry-run", "-n", "2")
    assert re.fullmatch(
        r"mine: 4 calls, about \d+ prompt tokens by o200k_base, price unknown\n1 of 1 comparisons with .*\n", done.stdout
    )
    assert written(project) == []


def test_skipped_cells_and_warnings_are_said(project: Path) -> None:
    history = [{"type": "look_up", "data": {"query": "x"}}, {"type": "look_up_result", "data": 1}]
    threads = [{**c, "thread": {"events": [*c["thread"]["events"], *history]}} for c in CASES]
    world(project, cases=threads, formats=["lines", "calls"], outputs=["prompted", "tool"], baseline={"format": "lines"})
    first = recorded()
    done = call("run", "evals/small.yaml", "--replay", str(first.folder))
    assert "skipped: mail: calls with output prompted: its history holds native tool calls" in done.stderr
    done = call("run", "evals/small.yaml", "-f", "calls", "--replay", str(first.folder))
    assert "warning: the baseline's format 'lines' isn't asked, so no variant is compared with it" in done.stderr


GOOD, BAD = {"score": "intent", "min": 0.6}, {"score": "intent", "min": 0.9}


ENDS: list[Any] = [
    ([], obey, [], 0),
    ([GOOD], obey, [], 0),
    ([GOOD, BAD], obey, [], MISSED),
    ([GOOD, BAD], flaky, [], PARTIAL),
    ([BAD], flaky, ["-k", "nothing-like-it"], MISTAKE),
    ([BAD], obey, ["-n", "3"], 0),
    ([BAD], obey, ["-k", "a-1"], 0),
    ([{"score": "args", "min": 0}], obey, [], MISSED),
    ([{**BAD, "where": {"format": "tags"}}], obey, ["-f", "lines"], 0),
]
NAMES = ["none", "good", "missed", "partial first", "mistake first", "-n", "-k", "nothing to measure", "not asked"]


@pytest.mark.parametrize(("require", "complete", "words", "code"), few(ENDS, ENDS[1:6]), ids=NAMES)
def test_exit_codes_of_run(project: Path, require: Any, complete: Any, words: list[str], code: int) -> None:
    world(project, require=require)
    first = recorded(complete)
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), *words, code=code)
    said = len(re.findall(r"^(passed|missed|error): ", done.stdout, re.MULTILINE))
    assert said == (0 if words or code == PARTIAL else 2 * len(require))
    if words and code == 0:
        assert re.search(r"^(No gate was evaluated: only a part was asked|Not evaluated: intent where)", done.stderr, re.M)
    if code == PARTIAL:
        assert "2 trials have no answer; ask them again: phrasing run evals/small.yaml --resume runs/" in done.stderr


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt: what a script starts in the background is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupted_run_says_how_to_go_on(project: Path, interruptible: None) -> None:
    with serving(answer("{}"), answer("{}"), answer("{}"), answer("{}", delay=60)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}])

        over = threading.Event()

        def interrupt() -> None:
            while not over.wait(0.01):
                if len(served.requests) == 4:
                    os.kill(os.getpid(), signal.SIGINT)
                    return

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            done = call("run", "evals/small.yaml", "-j", "1", "-f", "lines", code=PARTIAL)
        finally:
            over.set()
            thread.join()
    again = r"^Interrupted. Go on with: phrasing run evals/small.yaml -f lines --resume runs/small/[^ ]+$"
    assert re.search(again, done.stderr, re.MULTILINE)
    assert len(Run(next((project / "runs" / "small").iterdir())).results) == 3


def test_resume_of_another_suites_run_is_a_mistake(project: Path) -> None:
    first = recorded()
    world(project, name="other")
    done = call("run", "evals/other.yaml", "--resume", str(first.folder), code=MISTAKE)
    assert done.stderr == f"error: {first.folder}: is a run of 'small', not of 'other'\n"


def test_run_at_a_revision(revised: Path) -> None:
    head = git(revised, "rev-parse", "v1")
    with serving(*[answer(json.dumps({"intent": "finish"}))] * 11, failure(500)) as served:
        (revised / ".env").write_text("MY_KEY=from-the-project\n")
        model = {"id": "openai/mine", "api_base": f"{served.url}/v1", "api_key_env": "MY_KEY"}
        world(revised, models=[model], require=[{"score": "intent", "min": 0}])
        commit(revised, "v2")
        world(revised, formats=["lines"], cases=[case("b-1")])
        done = call("run", "evals/small.yaml", "--at", "v2", "-j", "1", "-n", "1", "-f", "lines")
    assert len(served.requests) == 1
    assert "No gate was evaluated" in done.stderr
    run = Run(next((revised / "runs" / "small").iterdir()))
    assert run.record.commit == git(revised, "rev-parse", "v2") != head
    assert next(iter(run.results)).startswith("mail::a-")


def test_rest_of_a_run_at_a_revision_is_asked_there(revised: Path) -> None:
    with revision.files_at(Path(), "v1") as files:
        first = phrasing.run(files.suite(Path("evals/small.yaml")), complete=flaky)
    done = call("run", "evals/small.yaml", "--at", "v1", "--replay", str(first.folder), code=PARTIAL)
    assert "2 trials have no answer; ask them again: phrasing run evals/small.yaml --at v1 --resume runs/small/" in done.stderr


def test_a_recording_is_found_by_a_word(project: Path) -> None:
    first = recorded()
    world(project, require=[{"score": "intent", "min": 0.9}])
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--update-recording", code=MISSED)
    assert done.stdout.splitlines()[-1] == "Recorded in reports/reference/small."
    done = call("run", "evals/small.yaml", "--replay", "recorded", code=MISSED)
    assert "67 (22–96)" in done.stdout
    assert "replaying recorded" in done.stderr
    call("run", "evals/small.yaml", "--replay", "latest", code=MISSED)
    kept = (project / "reports/reference/small/report.md").read_text()
    pictured = r"^!\[.*\n\n|^## (?:Tokens|By kind of case|Wrong steps).*\n\n(?=!)"
    assert call("report", "reports/reference/small").output == re.sub(pictured, "", kept, flags=re.MULTILINE)
    assert call("show", "reports/reference/small").output.count("mail::") == 4
    for words in (
        ["show", "reports/reference/small", "a-1[DetermineNextStepMail,none,tags"],
        ["score", "reports/reference/small"],
    ):
        assert "error: reports/reference/small: is a recording" in call(*words, code=MISTAKE).stderr
    assert "is a recording" in call("run", "evals/small.yaml", "--resume", "recorded", "--replay", "latest", code=MISTAKE).stderr
    assert "recorded: of which suite?" in call("report", "recorded", code=MISTAKE).stderr


@pytest.mark.slow
def test_recording_of_a_revision(project: Path) -> None:
    first = recorded()
    call("run", "evals/small.yaml", "--replay", str(first.folder), "--update-recording")
    commit(project, "v1")
    world(project, formats=["lines"])
    call("run", "evals/small.yaml", "--replay", "recorded", "--update-recording")
    done = call("run", "evals/small.yaml", "--replay", "recorded", "--at", "v1")
    assert "12 trials of 2 variants" in done.stderr


def test_only_a_whole_run_becomes_the_recording(project: Path) -> None:
    first = recorded(flaky)
    for words, named in (
        (["-n", "3", "-k", "a-1"], "-k, -n"),
        (["--at", "v1"], "--at"),
        (["-m", "openai/x", "-m", "openai/y"], "-m"),
        (["--shard", "1/2"], "--shard"),
    ):
        done = call("run", "evals/small.yaml", "--update-recording", *words, code=MISTAKE)
        assert done.stderr == f"error: --update-recording records the suite as it is written now; leave out {named}\n"
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--update-recording", code=PARTIAL)
    assert "2 trials have no answer" in done.stderr
    assert not (project / "reports").exists()


@pytest.mark.slow
def test_rest_of_a_shard_is_asked_as_a_shard(project: Path) -> None:
    world(project, cases=[*CASES, *(case(f"b-{i}") for i in range(10))])
    first = recorded(flaky)
    shard = "1/2" if any(r.error for r in recorded(flaky, shard="1/2").results.values()) else "2/2"
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--shard", shard, code=PARTIAL)
    assert f"phrasing run evals/small.yaml --shard {shard} --resume runs/" in done.stderr


@pytest.mark.slow
def test_a_run_that_is_not_the_latest_is_called_by_its_folder(project: Path) -> None:
    first, second = recorded(), recorded()
    for run, name in ((first, first.folder), (second, "latest")):
        done = call("run", "evals/small.yaml", "--resume", str(run.folder), "--replay", str(run.folder))
        assert done.stdout.endswith(f"\nLook at it: phrasing view {name}\n")


# ---------------------------------------------------------------------------------------------- limits and ends


@pytest.mark.parametrize(
    ("words", "why", "sent"),
    [
        (["--max-calls", "5"], "the limit of 5 calls is reached", 5),
        (["--max-minutes", "0"], "the limit of 0 minutes is reached", 0),
    ],
)
def test_a_limit_ends_a_run_that_can_go_on(project: Path, words: list[str], why: str, sent: int) -> None:
    said = json.dumps({"intent": "send", "to": "ann", "urgent": False})
    with serving(answer(said)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}])
        done = call("run", "evals/small.yaml", *words, code=PARTIAL)
        assert len(served.requests) == sent
        assert f"mine stopped: {why}\n" in done.stderr
        again = re.search(r"phrasing (run .* --resume .*)$", done.stderr, re.MULTILINE)
        assert again
        call(*shlex.split(again[1]))
        assert len(served.requests) == 12


def test_how_many_were_refused_is_said_and_none_is_lost(project: Path) -> None:
    said = answer(json.dumps({"intent": "send", "to": "ann", "urgent": False}))
    with serving(said, failure(429), said, failure(429, headers={"Retry-After": "1"}), said) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}])
        done = call("run", "evals/small.yaml")
    host = served.url.removeprefix("http://")
    assert done.stderr.splitlines()[-1] == f"{host} throttled 2 of 14 requests; they were sent again"


WAIT = """
import sys
from phrasing.cli import main
main(["run", "evals/small.yaml", "-f", "lines"])
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True], ids=["", "deaf to Ctrl-C"])
def test_a_program_that_is_told_to_end_says_how_to_go_on(project: Path, deaf: bool) -> None:
    with serving(answer("{}"), answer("{}"), answer("{}"), answer("{}", delay=60)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}])
        prepare = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if deaf else None
        command = [sys.executable, "-c", WAIT]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=prepare) as process:
            while len(served.requests) < 4 or not _kept(project, 3):
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate()
        assert process.returncode == PARTIAL
    again = re.search(
        r"^Interrupted. Go on with: phrasing (run evals/small.yaml -f lines --resume runs/small/[^ ]+)$", said, re.M
    )
    assert again, said
    assert "Traceback" not in said
    assert len(Run(next((project / "runs" / "small").iterdir())).results) == 3


def _kept(project: Path, count: int) -> bool:
    found = list((project / "runs").rglob("results.jsonl"))
    return bool(found) and found[0].read_text().count("\n") >= count
