"""The command line as a user meets it: every verb, every exit code, and one line for every mistake."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

import phrasing
from phrasing import cli
from phrasing.analysis.run import Run
from phrasing.cli import main
from phrasing.cli.common import MISSED, MISTAKE, PARTIAL
from phrasing.cli.verbs import VERBS, module
from phrasing.errors import CompletionError
from phrasing.project import revision
from phrasing.runs import runner
from phrasing.types import Completion, Request
from support.fault_server import answer, failure
from support.tiny_runs import CASES, FORMATS, Model, cache, case, commit, git, obey, says, serving, world

__all__ = ["cache"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

Call = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project, and the working folder in it; no key anywhere."""
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def call(*words: str, code: int = 0) -> Result:
    """Run a verb; whatever isn't an exit comes out as it is, so a traceback fails the test."""
    done = CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def recorded(complete: runner.Complete = obey, **options: Any) -> Run:
    """Run the project's suite on a scripted model."""
    return phrasing.run("evals/small.yaml", complete=complete, **options)


def written(project: Path) -> list[str]:
    """What stands in runs/."""
    return sorted(str(path.relative_to(project)) for path in (project / "runs").rglob("*") if path.is_file())


async def flaky(request: Request) -> Completion:
    if "a-2" in str(request.messages):
        raise CompletionError("transient", "HTTP 503")
    return await obey(request)


# ---------------------------------------------------------------------------------------------- help


def command(verb: str) -> click.Command:
    found = main.get_command(click.Context(main), verb)
    assert found
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help_with_an_example(verb: str, flag: str) -> None:
    text = call(verb, flag).output
    assert command(verb).help
    assert f"Example:\n    phrasing {verb}" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("verb", VERBS)
def test_examples_name_options_that_exist(verb: str) -> None:
    found = command(verb)
    assert found.epilog
    words = shlex.split(found.epilog.removeprefix("\b\nExample:\n  phrasing "))
    known = {flag for parameter in found.params for flag in parameter.opts}
    assert words[0] == found.name
    assert {word for word in words[1:] if word.startswith("-")} <= known


def test_the_table_of_verbs_is_what_the_modules_hold() -> None:
    assert {verb: command(verb).name for verb in VERBS} == {verb: verb for verb in VERBS}
    others = {"__init__", "common", "layout", "terminal", "verbs"}
    assert {path.stem for path in Path(cli.__file__).parent.glob("*.py")} - others == {module(verb) for verb in VERBS}
    lines = call("--help").output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(VERBS)
    assert all(line.endswith(f"  {short}") for line, short in zip(lines, VERBS.values(), strict=True))


def test_version() -> None:
    for words in (["--version"], ["-m", "phrasing", "--version"]):
        if words[0] == "--version":
            said = call(*words).output
        else:
            said = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout
        assert said == f"phrasing, version {importlib.metadata.version('phrasing')}\n"


MISTYPED = {
    "chekc": "error: command 'chekc' not found (did you mean 'check'?); there are: check, compare, ",
    "run evals/small.yaml --dry-rnu": "Error: No such option '--dry-rnu'. Did you mean '--dry-run'?",
    "run evals/small.yaml --missing as": "Error: Invalid value for '--missing': 'as' is not one of 'error', 'ask', 'skip'.",
    "models ad": "Error: No such command 'ad'. Did you mean 'add'?",
    "run": "Error: Missing argument 'SUITE'.",
    "tokens evals/small.yaml --by evnt": "Error: Invalid value for '--by': 'evnt' is not one of 'segment', 'event', ",
}


@pytest.mark.parametrize(("words", "said"), MISTYPED.items())
def test_a_mistyped_word_is_told_from_what_was_meant(words: str, said: str) -> None:
    done = call(*words.split(), code=MISTAKE)
    assert said in done.stderr
    assert done.stdout == ""


# ---------------------------------------------------------------------------------------------- check, render, tokens


def test_check_says_what_is_there(project: Path) -> None:
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail", "DetermineNextStepMailTerse"]}])
    out = call("check", "evals/small.yaml").output.splitlines()
    assert out[0] == "evals/small.yaml: Do tags change the step?"
    assert "  mail: 6 cases in 6 groups" in out
    assert out[2] == "    expected: ask 3, look_up 2, send 1"
    at = out.index("    DetermineNextStepMailTerse: 4 steps, random 25, majority 50, bigram 50 %")
    assert out[at + 1] == "    no case expects: finish"
    assert "    6 events inferred as input" in out
    assert "  tags is spoofable: text that holds a closing tag ends its event early" in out
    assert "  4 variants, 24 trials: good" in out


def test_check_warns_of_threads_told_twice_and_names_a_few(project: Path) -> None:
    text = " ".join(f"word{i}" for i in range(60))
    told = {"events": [{"type": "mail", "data": {"text": text}}]}
    world(project, cases=[*CASES, *({**case(f"told-{i}"), "thread": told} for i in range(4))])
    out = call("check", "evals/small.yaml").output
    assert "\n    warning: told-0 and told-1 are in different groups, and their threads are\n      100 % alike\n" in out
    assert out.count("warning: told-") == 5
    assert "    warning: and 1 more pair of near-duplicates\n" in out


def test_check_looks_at_every_suite_and_stops_at_the_first_mistake(project: Path) -> None:
    world(project, name="other", formats=["calls", "lines"], outputs=["tool", "prompted"])
    assert call("check").output.count("trials: good") == 2
    world(project, name="broken", formats=["lnies"])
    done = call("check", code=MISTAKE)
    assert done.stderr.startswith("error: evals/broken.yaml:")
    assert "did you mean 'lines'?" in done.stderr


def test_render_prints_what_run_would_send(project: Path) -> None:
    model = Model()
    recorded(model, select="a-1 and tags")
    (request,) = model.asked
    out = call("render", "a-1", "-f", "tags").output
    assert out == "".join(f"── {m['role']} ──\n{m['content']}\n" for m in request.messages)


def test_render_shows_the_difference_of_two_formats(project: Path) -> None:
    lines = call("render", "mail::a-1", "-f", "lines", "-f", "tags").output.splitlines()
    assert lines[:2] == ["--- lines", "+++ tags"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        '-mail {"text":"a-1, reply: send"}',
        "+<mail>",
        '+{"text":"a-1, reply: send"}',
        "+</mail>",
    ]
    assert "   You send mail for a person." in [f"  {line}" for line in lines]


def test_render_of_formats_that_make_the_same(project: Path) -> None:
    (project / "formats" / "twin.j2").write_text(FORMATS["lines.j2"])
    assert call("render", "a-1", "-f", "lines", "-f", "twin").output == "lines and twin make the same prompt.\n"


def test_render_of_tool_calls_and_schemas(project: Path) -> None:
    events = [
        {"type": "mail", "data": "hello"},
        {"type": "look_up", "data": {"query": "x"}},
        {"type": "look_up_result", "data": [1]},
    ]
    world(project, cases=[{**case("a-1"), "thread": {"events": events}}])
    out = call("render", "a-1", "-f", "calls").output
    assert '── assistant ──\ncall_1: look_up({"query":"x"})\n── tool call_1 ──\n[1]\n' in out
    assert "── tools ──" in out
    assert '"name": "look_up"' in out
    assert "── response_format ──" in call("render", "a-1", "-f", "lines", "-o", "native").output
    assert "Terse" not in out
    assert call("render", "a-1", "-f", "calls", "-o", "prompted", code=MISTAKE).stderr.startswith("error: ")
    said = call("render", "a-1", "-f", "calls", "-o", "tol", code=MISTAKE).stderr
    assert said.startswith("error: --output: output 'tol' not found (did you mean 'tool'?); there are: native, native_bare, ")


def test_render_finds_cases_that_the_suite_does_not_sample(project: Path) -> None:
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail"], "sample": 1}])
    for each in CASES:
        assert each["id"] in call("render", each["id"], "-f", "lines").output


TAIL = 'LOSSY = "the start"\ndef edit(thread, n=1):\n    return {"events": thread["events"][-n:]}\n'


def tailed(project: Path, **keys: Any) -> None:
    """Write a project with an edit: one case of two events among the others, of one."""
    two = case("b-1")
    two["thread"]["events"].insert(0, {"type": "note", "data": "once upon a time"})
    world(project, cases=[*CASES, two], **keys)
    (project / "formats" / "edits").mkdir(exist_ok=True)
    (project / "formats" / "edits" / "tail.py").write_text(TAIL)


def test_render_of_an_edit(project: Path) -> None:
    tailed(project)
    assert "once upon a time" in call("render", "b-1", "-f", "lines").output
    assert "once upon a time" not in call("render", "b-1", "-f", "lines", "-e", "tail").output
    both = call("render", "b-1", "-f", "lines", "-e", "none", "-e", "tail(1)").output
    assert both.startswith("--- lines\n+++ lines tail(1)\n")
    assert '-note "once upon a time"\n' in both
    same = call("render", "a-1", "-f", "lines", "-e", "none", "-e", "tail").output
    assert same == "lines and lines tail make the same prompt.\n"
    many = call("render", "b-1", "-f", "lines", "-f", "tags", "-e", "none", "-e", "tail", code=MISTAKE)
    assert many.stderr == "error: --format: one or two can be shown, not 2 × 2\n"
    unknown = call("render", "b-1", "-f", "lines", "-e", "tale", code=MISTAKE).stderr
    assert unknown == "error: --edit: edits: edit 'tale' not found (did you mean 'tail'?); there are: none, tail\n"


def test_edits_are_marked_wherever_they_are_used(project: Path) -> None:
    tailed(project, edits=["none", "tail"], baseline={"edit": "none"})
    checked = call("check").output
    assert "    tail changes 1 of 7 cases\n" in checked
    assert "  tail is lossy: the start\n" in checked
    assert "4 variants, 28 trials: good" in checked
    run = recorded()
    assert run.record.edits["tail"]["lossy"] == "the start"
    assert "tail is lossy: the start." in call("score", "latest").output
    told = call("report", "latest").output
    assert "tail is lossy: the start." in told
    assert "| tail lines | 7 |" in told
    assert "- edit tail: sha256 " in told
    assert call("tokens", "evals/small.yaml", "-e", "tail").output.count("\ntail") == 0
    assert "no edit" not in call("tokens", "evals/small.yaml", "-e", "tail").output
    (project / "formats" / "edits" / "tail.py").write_text(TAIL + "# changed\n")
    recorded()
    runs = sorted(str(path) for path in (project / "runs" / "small").iterdir())
    out = " ".join(call("compare", runs[1], runs[0]).output.split())  # where a line breaks is up to the path's length
    assert "changed since" in out
    assert "edit tail" in out


def test_words_that_go_on_name_the_edits(project: Path) -> None:
    tailed(project)
    first = recorded(flaky, edits=["tail"])
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "-e", "tail", code=PARTIAL)
    assert "phrasing run evals/small.yaml -e tail --resume runs/" in done.stderr


def test_tokens_is_a_table(project: Path) -> None:
    out = call("tokens", "evals/small.yaml", "-n", "3").output
    assert out.splitlines()[0].startswith("function ")
    assert out.splitlines()[2].split()[:3] == ["variant", "instructions", "schema"]
    assert "o200k_base: an estimate" in out
    assert re.search(r"^tags .* ×\d\.\d{3}", out, re.MULTILINE)


# ---------------------------------------------------------------------------------------------- run


def test_run_asks_an_endpoint_and_shows_the_table(project: Path) -> None:
    said = json.dumps({"intent": "send", "to": "ann", "urgent": False})
    usage = {"prompt_tokens": 90, "completion_tokens": 9, "total_tokens": 99}
    with serving(answer(said, usage=usage)) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1", "price": {"prompt": 1, "completion": 1}}])
        done = call("run", "evals/small.yaml", "--max-cost", "1")
        assert len(served.requests) == 12
    assert re.search(r"^lines +6 +17 \(2–66\) +17 +100 +3/3 +90 ×1\.00 +9 +\d+\.\d$", done.stdout, re.MULTILINE)
    assert re.search(r"^steps chosen\nlines send 6$", done.stdout, re.MULTILINE)
    folder = next((project / "runs" / "small").iterdir()).relative_to(project)
    assert done.stdout.endswith(f"\n\nKept in {folder}\nLook at it: phrasing view latest\n")
    first, *_, last = done.stderr.splitlines()  # in between more lines, where the machine is slow
    assert first == f"{folder}: 12 trials of 2 variants, asking mine"
    assert last.startswith("12/12  0 errors  $0.00  ")
    assert written(project) == [f"{folder}/{name}" for name in (".lock", "prompts.jsonl", "results.jsonl", "run.json")]


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
    stopped, again = done.stderr.splitlines()[-2:]
    assert stopped == f"mine stopped: mine (openai/mine): no connection to {url}: is the server running there?"
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
    assert "67 (23–93)" in one.stdout


def test_resume_of_a_finished_run_shows_it_again(project: Path) -> None:
    first = recorded()
    before = (first.folder / "results.jsonl").read_bytes()
    done = call("run", "evals/small.yaml", "--resume", "latest", "--replay", "results.jsonl", code=MISTAKE)
    assert "results.jsonl: no such run folder or file" in done.stderr
    done = call("run", "evals/small.yaml", "--resume", "--replay", str(first.folder))
    assert f"Kept in {first.folder}\n" in done.stdout
    assert (first.folder / "results.jsonl").read_bytes() == before


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


@pytest.mark.parametrize(
    ("require", "complete", "words", "code"),
    [
        ([], obey, [], 0),
        ([GOOD], obey, [], 0),
        ([GOOD, BAD], obey, [], MISSED),
        ([GOOD, BAD], flaky, [], PARTIAL),
        ([BAD], flaky, ["-k", "nothing-like-it"], MISTAKE),
        ([BAD], obey, ["-n", "3"], 0),
        ([BAD], obey, ["-k", "a-1"], 0),
        ([{"score": "args", "min": 0}], obey, [], MISSED),
        ([{**BAD, "where": {"format": "tags"}}], obey, ["-f", "lines"], 0),
    ],
    ids=["none", "good", "missed", "partial first", "mistake first", "-n", "-k", "nothing to measure", "not asked"],
)
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


# ---------------------------------------------------------------------------------------------- mistakes

BAML_MISTAKE = "function DetermineNextStepMail(thread: string) -> Nothing {\n"


def damage(**keys: Any) -> Callable[[Path], object]:
    return lambda project: world(project, **keys)


def into(name: str, text: str) -> Callable[[Path], object]:
    return lambda project: (project / name).write_text(text)


MISTAKES: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "no such suite": (damage(), "run evals/smal.yaml", ["evals/smal.yaml", "small"]),
    "suite is a folder": (damage(), "check evals", ["evals: can't be read"]),
    "suite empty": (into("evals/small.yaml", ""), "run evals/small.yaml", ["evals/small.yaml: is empty"]),
    "suite not YAML": (into("evals/small.yaml", "a: [\n"), "check", ["evals/small.yaml:2: isn't YAML"]),
    "unknown key": (damage(fromats=["x"]), "run evals/small.yaml", ["evals/small.yaml:", "'fromats'", "formats"]),
    "suite with a key": (damage(params={"api_key": "x"}), "check", ["evals/small.yaml:", "looks like a key"]),
    "unknown format": (damage(formats=["lnies"]), "run evals/small.yaml", ["evals/small.yaml:", "'lnies'", "lines", "tags"]),
    "unknown format on the line": (damage(), "run evals/small.yaml -f lnies", ["--format", "'lnies'", "did you mean 'lines'?"]),
    "unknown dataset": (
        damage(agents=[{"dataset": "mial", "functions": ["DetermineNextStepMail"]}]),
        "tokens evals/small.yaml",
        ["evals/small.yaml:", "'mial'", "mail"],
    ),
    "unknown function": (
        damage(agents=[{"dataset": "mail", "functions": ["DetermineNextStepMial"]}]),
        "check",
        ["evals/small.yaml:", "'DetermineNextStepMial'", "DetermineNextStepMail"],
    ),
    "model without a provider": (damage(), "run evals/small.yaml -m nonsense", ["'nonsense'", "names no known provider"]),
    "model that is no id": (damage(), "run evals/small.yaml -m 'a b'", ["'a b'"]),
    "models with one label": (damage(), "run evals/small.yaml -m openai/x -m azure/x", ["'x'", "named twice"]),
    "no key": (damage(models=["openai/gpt-4.1-mini"]), "run evals/small.yaml", ["OPENAI_API_KEY", ".env"]),
    "no key of its own": (
        damage(models=[{"id": "openai/x", "api_base": "http://127.0.0.1:9", "api_key_env": "MY_OWN_KEY"}]),
        "run evals/small.yaml",
        ["MY_OWN_KEY"],
    ),
    "no price": (
        damage(models=[{"id": "openai/x", "api_base": "http://127.0.0.1:9"}]),
        "run evals/small.yaml --max-cost 1",
        ["'x': its price isn't known", "--max-cost"],
    ),
    "no such weights": (damage(models=["local/none.gguf"]), "run evals/small.yaml", ["local/none.gguf", "no such file"]),
    "line not JSON": (into("datasets/mail.jsonl", '{"id": \n'), "check", ["datasets/mail.jsonl:1", "not JSON"]),
    "duplicate ids": (damage(cases=[CASES[0], CASES[1], CASES[0]]), "check", ["datasets/mail.jsonl:3", "'a-1'", "line 1"]),
    "unknown intent": (damage(cases=[case("a", expect="sned")]), "check", ["datasets/mail.jsonl:1", "'sned'", "send"]),
    "right and harmful": (damage(cases=[case("a", forbid="send")]), "check", ["datasets/mail.jsonl:1", "'send'"]),
    "role token": (
        damage(cases=[case("a", reply="BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER")]),
        "run evals/small.yaml",
        ["datasets/mail.jsonl:1", "BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER"],
    ),
    "format raises": (
        into("formats/tags.j2", "{{ thread.events[9].data.x }}"), "run evals/small.yaml", ["formats/tags.j2", "raised", "'a-1'"]
    ),
    "format raises lines": (
        lambda project: (
            (project / "formats" / "tags.j2").unlink(),
            into("formats/tags.py", "def render(thread):\n    raise ValueError('one\\ntwo')\n")(project),
        ),
        "check",
        ["formats/tags.py:2", "one two"],
    ),
    "format drops": (
        into("formats/tags.j2", "{{ thread.events[0].type }}"), "check", ["formats/tags.j2", "drops events[0].data.text", "'a-1'"]
    ),
    "format returns nothing": (into("formats/tags.j2", "{# nothing #}"), "check", ["formats/tags.j2", "returned"]),
    "BAML broken": (into("baml_src/mail.baml", BAML_MISTAKE), "check", ["baml_src"]),
    "expression": (damage(), "run evals/small.yaml -k 'a and'", ["'a and'", "a word was expected"]),
    "expression selects nothing": (damage(), "run evals/small.yaml -k zzz", ["'zzz'", "selects no trial", "mail::a-"]),
    "replay of nothing": (damage(), "run evals/small.yaml --replay nowhere.jsonl", ["nowhere.jsonl: no such run folder or file"]),
    "replay of a folder": (damage(), "run evals/small.yaml --replay evals", ["no such run folder or file of results"]),
    "resume of nothing": (damage(), "run evals/small.yaml --resume nowhere", ["nowhere: no run.json"]),
    "resume before any run": (damage(), "run evals/small.yaml --resume", ["no run of 'small' yet"]),
    "unknown case": (damage(), "render a-11 -f lines", ["'a-11'", "evals/small.yaml", "6"]),
    "unknown case of a dataset": (damage(), "render mail::x -f lines", ["'mail::x'"]),
    "unknown function to render": (
        damage(), "render a-1 -f lines --function Mail", ["'Mail' not found", "DetermineNextStepMail"]
    ),
    "unknown format to render": (damage(), "render a-1 -f lnies", ["'lnies'", "lines"]),
    "three formats": (damage(), "render a-1 -f lines -f tags -f calls", ["--format"]),
    "no run": (damage(), "show latest", ["runs: no run yet"]),
    "no such run": (damage(), "report runs/small/x", ["runs/small/x: no run.json"]),
    "score of no run": (damage(), "score x", ["x: no run.json"]),
}  # fmt: skip


@pytest.mark.parametrize(("damaged", "words", "parts"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_line_and_leave_nothing(
    project: Path, damaged: Callable[[Path], object], words: str, parts: list[str]
) -> None:
    damaged(project)
    done = call(*shlex.split(words), code=MISTAKE)
    assert done.stdout == "" or words.startswith("check")
    *before, line = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(other.startswith(("warning: ", "skipped: ")) for other in before)
    for part in parts:
        assert part in line
    assert len(line) < 700
    assert written(project) == []
    assert str(project) not in line


RUN_MISTAKES = {
    "report of another kind": ("report latest -o x.docx", ["'x.docx'", ".html, .md, .csv, .parquet, .xml"]),
    "report into nowhere": ("report latest -o none/x.md", ["none/x-charts: can't be written"]),
    "unknown trial": ("show latest zzz", ["'zzz'"]),
    "several trials": ("show latest a-1", ["'a-1' matches 2 trials"]),
    "expression": ("show latest -k '('", ["-k '('", "a word was expected"]),
}


@pytest.mark.parametrize(("words", "parts"), RUN_MISTAKES.values(), ids=RUN_MISTAKES)
def test_mistakes_about_a_run_are_one_line_and_change_nothing(project: Path, words: str, parts: list[str]) -> None:
    recorded()
    before = {name: (project / name).read_bytes() for name in written(project)}
    done = call(*shlex.split(words), code=MISTAKE)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert {name: (project / name).read_bytes() for name in written(project)} == before


def test_resume_of_another_suites_run_is_a_mistake(project: Path) -> None:
    first = recorded()
    world(project, name="other")
    done = call("run", "evals/other.yaml", "--resume", str(first.folder), code=MISTAKE)
    assert done.stderr == f"error: {first.folder}: is a run of 'small', not of 'other'\n"


def test_malformed_results_are_named_by_line(project: Path) -> None:
    first = recorded()
    with (first.folder / "results.jsonl").open("a") as file:
        file.write("nonsense\n")
    for words in (["show", "latest"], ["report", "latest"], ["score", "latest"]):
        assert f"error: {first.folder}/results.jsonl:13: not JSON" in call(*words, code=MISTAKE).stderr


def test_nothing_of_the_outer_shell_is_a_traceback(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "phrasing", "run", "evals/none.yaml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    assert done.stderr.startswith("error: evals/none.yaml: can't be read")
    assert "\x1b" not in done.stderr


# ---------------------------------------------------------------------------------------------- recordings, revisions, shards


@pytest.fixture
def revised(project: Path) -> Path:
    """A project whose ``v1`` asks with formats lines and tags, and now with lines only, of other cases."""
    commit(project, "v1")
    (project / "formats" / "tags.j2").unlink()
    world(project, formats=["lines"], cases=[case("b-1")])
    (project / "formats" / "tags.j2").unlink()
    return project


def test_check_render_and_tokens_at_a_revision(revised: Path) -> None:
    now, then = (call("check", *words).output for words in ([], ["--at", "v1"]))
    assert "1 variants, 1 trials: good" in now
    assert "2 variants, 12 trials: good" in then
    assert then.startswith("evals/small.yaml: Do tags change the step?\n")
    assert call("check", "evals/small.yaml", "--at", "v1").output == then
    assert "<mail>" in call("render", "a-1", "-f", "tags", "--at", "v1").output
    assert "<mail>" in call("render", "a-1", "-f", "tags", "-s", "evals/small.yaml", "--at", "v1").output
    assert "tags" in call("tokens", "evals/small.yaml", "--at", "v1").output
    assert git(revised, "status", "--porcelain") != ""


def test_mistakes_at_a_revision_name_it(revised: Path) -> None:
    world(revised, formats=["lnies"])
    commit(revised, "v2")
    world(revised)
    for words in (["check"], ["tokens", "evals/small.yaml"], ["run", "evals/small.yaml"]):
        done = call(*words, "--at", "v2", code=MISTAKE)
        line = done.stderr.splitlines()[-1]
        assert re.match(r"error: evals/small.yaml:\d+ at v2: formats: format 'lnies' not found", line)
    done = call("run", "evals/none.yaml", "--at", "v2", code=MISTAKE)
    assert done.stderr == "error: evals/none.yaml at v2: can't be read: No such file or directory; there are: small\n"
    done = call("check", "--at", "v3", code=MISTAKE)
    assert done.stderr == "error: git revision 'v3' not found; there are: main, v1, v2\n"
    assert written(revised) == []


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
    with revision.files(Path(), "v1") as files:
        first = phrasing.run(files.suite(Path("evals/small.yaml")), complete=flaky)
    done = call("run", "evals/small.yaml", "--at", "v1", "--replay", str(first.folder), code=PARTIAL)
    assert "2 trials have no answer; ask them again: phrasing run evals/small.yaml --at v1 --resume runs/small/" in done.stderr


def test_a_recording_is_found_by_a_word(project: Path) -> None:
    first = recorded()
    world(project, require=[{"score": "intent", "min": 0.9}])
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--update-recording", code=MISSED)
    assert done.stdout.splitlines()[-1] == "Recorded in reports/reference/small."
    done = call("run", "evals/small.yaml", "--replay", "recorded", code=MISSED)
    assert "67 (23–93)" in done.stdout
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


def test_tokens_against_a_baseline(project: Path) -> None:
    commit(project, "v1")
    baml = project / "baml_src" / "mail.baml"
    baml.write_text(baml.read_text().replace("You send mail for a person.", "You send mail for a person. " * 5))
    done = call("tokens", "evals/small.yaml", "--against", "v1")
    assert re.search(r"^variant +cases +before +after +ratio$", done.output, re.MULTILINE)
    found = re.search(r"^tags +6 +(\S+) +(\S+) +×(\S+)$", done.output, re.MULTILINE)
    assert found
    ratio = float(found[3])
    assert ratio == pytest.approx(float(found[2]) / float(found[1]), abs=0.001)
    assert ratio > 1.1
    done = call("tokens", "evals/small.yaml", "--against", "v1", "--max-ratio", "1.1", code=MISSED)
    assert done.output.count("missed: tokens ×1.") == 2
    assert (
        f"missed: tokens ×{ratio:.3f}, required at most ×1.1, in DetermineNextStepMail,none,tags,prompted,scripted" in done.output
    )
    done = call("tokens", "evals/small.yaml", "--against", "v1", "--max-ratio", "1.5")
    assert done.output.count("passed: tokens ×1.") == 2
    done = call("tokens", "evals/small.yaml", "--against", "v1", "-f", "lines")
    assert "DetermineNextStepMail,none,tags,prompted: only in v1: no format tags here" in done.output
    assert "--max-ratio needs --against" in call("tokens", "evals/small.yaml", "--max-ratio", "1", code=MISTAKE).stderr


def test_shards_are_merged_with_the_exit_codes_of_run(project: Path) -> None:
    cases = [case(f"a-{i}") for i in range(16)]
    world(project, cases=cases, require=[{"score": "intent", "min": 0.9}])
    first = recorded()
    for shard in ("1/2", "2/2"):
        done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--shard", shard)
        assert f"No gate was evaluated: only a part was asked (--shard {shard})." in done.stderr
    shards = [str(path.relative_to(project)) for path in sorted((project / "runs" / "small").iterdir())[1:]]
    done = call("merge", *shards)
    assert re.search(r"^lines +16 +100 ", done.stdout, re.MULTILINE)
    assert done.stdout.count("passed: intent at least 0.9: 1.000") == 2
    assert call("merge", shards[0], code=MISTAKE).stderr == "error: not all shards of the run: 2/2 missing\n"
    folder = re.search(r"Kept in (\S+)$", done.stdout, re.MULTILINE)
    assert folder
    assert call("report", folder[1]).output == call("report", str(first.folder)).output
    call("merge", code=MISTAKE)


@pytest.mark.parametrize(("require", "complete", "code"), [(1, obey, MISSED), (0, flaky, PARTIAL)], ids=["missed", "partial"])
def test_merged_run_may_miss_or_be_partial(project: Path, require: float, complete: Any, code: int) -> None:
    cases = [*CASES, *(case(f"b-{i}") for i in range(10))]
    world(project, cases=cases, require=[{"score": "intent", "min": require}])
    shards = [recorded(complete, shard=shard) for shard in ("1/2", "2/2")]
    done = call("merge", *(str(shard.folder) for shard in shards), code=code)
    assert ("missed: intent" in done.stdout) == (code == MISSED)
    assert ("resume the shards they are in, then merge anew" in done.stderr) == (code == PARTIAL)


def test_rest_of_a_shard_is_asked_as_a_shard(project: Path) -> None:
    world(project, cases=[*CASES, *(case(f"b-{i}") for i in range(10))])
    first = recorded(flaky)
    shard = "1/2" if any(r.error for r in recorded(flaky, shard="1/2").results.values()) else "2/2"
    done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--shard", shard, code=PARTIAL)
    assert f"phrasing run evals/small.yaml --shard {shard} --resume runs/" in done.stderr


def test_a_run_that_is_not_the_latest_is_called_by_its_folder(project: Path) -> None:
    first, second = recorded(), recorded()
    for run, name in ((first, first.folder), (second, "latest")):
        done = call("run", "evals/small.yaml", "--resume", str(run.folder), "--replay", str(run.folder))
        assert done.stdout.endswith(f"\nLook at it: phrasing view {name}\n")


# ---------------------------------------------------------------------------------------------- looking back


def test_show_lists_what_went_wrong(project: Path) -> None:
    recorded(flaky)
    out = call("show", "latest").output
    assert "mail::a-3[DetermineNextStepMail,none,lines,prompted,scripted]#0\n    intent: expected look_up, got finish\n" in out
    assert "    error: transient: HTTP 503\n" in out
    assert "harm: forbidden here: send()" in out
    assert "a-1[" not in out
    assert "\n6 of 12 trials. One of them in full: phrasing show latest TRIAL\n" in out
    assert call("show", "latest", "-k", "a-3 and tags").output.count("mail::") == 1
    assert call("show", "latest", "--all").output.count("mail::") == 12


def test_show_of_one_trial_is_everything_about_it(project: Path) -> None:
    recorded()
    out = call("show", "latest", "a-4[DetermineNextStepMail,none,tags").output
    assert out.startswith(
        "mail::a-4[DetermineNextStepMail,none,tags,prompted,scripted]#0\n── system ──\nYou send mail for a person.\n"
    )
    for part in (
        '<mail>\n{"text":"a-4, reply: send"}\n</mail>\n\nWhat is the next step?',
        '── answer ──\n{"intent": "send", "to": "ann", "urgent": false}\n(stop; tokens: prompt 100, completion 10; 0.50 s)',
        '── parsed ──\n{"step":{"intent":"send"',
        "intent: 0  expected ask, got send",
        "harm: 1  forbidden here: send()",
    ):
        assert part in out
    world(project, cases=CASES[:1], outputs=["tool"])
    recorded()
    assert 'send({"to": "ann", "urgent": false})' in call("show", "latest", "lines").output


def on_a_terminal(*words: str, **environment: str) -> str:
    """Run a command in a process whose output is a terminal of 80 columns, and give what came there."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "phrasing", *words]
    with subprocess.Popen(command, stdout=theirs, env={**kept, "TERM": "xterm", **environment}) as running:
        os.close(theirs)
        came = b""
        while part := _read(ours):
            came += part
    os.close(ours)
    assert running.returncode == 0
    return came.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so where the other end is closed
        return b""


def test_a_terminal_shows_segments_in_colour_and_what_a_model_wrote_as_text(project: Path) -> None:
    async def hostile(request: Request) -> Completion:
        return Completion(text='\x1b]0;mine\x07{"intent": "send"}\x1b[2J')

    recorded(hostile)
    trial = "a-4[DetermineNextStepMail,none,tags"
    coloured = on_a_terminal("show", "latest", trial)
    assert coloured.startswith("segments: \x1b[36minstructions\x1b[0m \x1b[35mschema\x1b[0m \x1b[32mthread\x1b[0m ")
    assert "\x1b[36mYou send mail for a person." in coloured
    assert '\x1b[32m<mail>\n{"text":"a-4, reply: send"}\n</mail>\x1b[0m' in coloured
    plain = on_a_terminal("show", "latest", trial, NO_COLOR="1")
    assert "\x1b" not in plain
    assert '\n␛]0;mine␇{"intent": "send"}␛[2J\n' in plain
    assert '\n\x1b]0;mine\x07{"intent": "send"}\x1b[2J\n' in call("show", "latest", trial).stdout  # a file gets what there is
    assert re.sub(r"\x1b\[\d*m", "", coloured).partition("\n")[2] == plain


def test_score_uses_the_labels_of_now(project: Path) -> None:
    require = [{"score": "intent", "min": 0.9}]
    world(project, require=require)
    recorded()
    assert "0 of 12 results changed." in call("score", "latest", code=MISSED).output
    world(project, require=require, cases=[{**c, "expect": [{"intent": "send"}], "forbid": []} for c in CASES])
    done = call("score", "latest", code=MISSED)
    assert "33 (7–77)" in done.output
    assert "\nmissed: intent at least 0.9: 0.333 (0.094 to 0.708) [lines]\n" in done.output
    world(project, cases=CASES)
    recorded(flaky)
    call("score", "latest", code=PARTIAL)


async def eager(request: Request) -> Completion:
    """Obey, but send where tags are shown."""
    return says("send") if "<mail>" in str(request.messages) else await obey(request)


def test_compare_shows_differences_and_where_they_are(project: Path) -> None:
    recorded(eager)
    out = call("compare", "latest").output
    assert out.startswith("Do tags change the step?\nfunction DetermineNextStepMail, output prompted, model scripted\n")
    assert re.search(r"^tags +6 +−50 \(−\d+ to \+\d+\) +0\.25 +0/3 +×1\.25 +can't tell +~\d+$", out, re.MULTILINE)
    assert "lost: mail::a-2, mail::a-5, mail::a-6" in out
    assert "expected → chosen: ask → send 3, look_up → send 2" in out
    wide = call("compare", "latest", "--score", "strict", "--margin", "0.9", "--confidence", "0.8").output
    assert "gave an answer that needs no repair" in wide
    assert "no different (within 90 points)" in " ".join(wide.split())


def test_compare_of_two_runs(project: Path) -> None:
    first, second = recorded(), recorded(eager)
    out = call("compare", str(second.folder), str(first.folder)).output
    assert f"against {first.folder}, step" in out
    assert re.search(r"^lines +6 +0 \(0 to 0\) .*unchanged", out, re.MULTILINE)
    assert re.search(r"^tags +6 +−50 \(", out, re.MULTILINE)
    assert "Unchanged, the same answers to the same requests: lines." in " ".join(out.split())


@pytest.mark.parametrize(
    ("gates", "undecided", "code", "said"),
    [
        (["score: step, min: 0.1"], "fail", 0, {"passed": 2}),
        (["score: step, min: 0.5"], "fail", MISSED, {"passed": 1, "missed": 1}),
        (["score: prompt_tokens, max_ratio: 1.3", "score: step, min: 0.1"], "fail", 0, {"passed": 3}),
        (["score: prompt_tokens, max_ratio: 1.2"], "fail", MISSED, {"missed": 1}),
        (["score: step, margin: 0.1"], "fail", MISSED, {"undecided": 1}),
        (["score: step, margin: 0.1"], "pass", 0, {"undecided": 1}),
        (["score: step, margin: 0.1", "score: step, min: 0.5"], "pass", MISSED, {"undecided": 1, "passed": 1, "missed": 1}),
        (["score: step, margin: 0.1, against: recorded"], "pass", MISSED, {"error": 2}),
        (["score: args, min: 0"], "pass", MISSED, {"error": 2}),
    ],
)
def test_exit_codes_of_compare(project: Path, gates: list[str], undecided: str, code: int, said: dict[str, int]) -> None:
    world(project, undecided=undecided, require=[{"score": "step", "min": 1.0}])  # the suite's own gates aren't asked for
    recorded(eager)
    done = call("compare", "latest", *(word for gate in gates for word in ("--require", gate)), code=code)
    verdicts = re.findall(r"^(passed|missed|undecided|error): ", done.output, re.MULTILINE)
    assert {status: verdicts.count(status) for status in verdicts} == said


def test_compare_holds_gates_against_the_run_that_is_named(project: Path) -> None:
    first, second = recorded(), recorded(eager)
    gate = "score: step, margin: 0.1, against: recorded, where: {format: lines}"
    done = call("compare", str(second.folder), str(first.folder), "--require", gate)
    assert "passed: step not worse than recorded by 10 points: 0 points (0 to 0); the same answers" in done.output
    call("compare", str(second.folder), str(first.folder), "--require", gate.replace("lines", "tags"), code=MISSED)


COMPARE_MISTAKES = {
    "gate": (["--require", "min: 0.5"], "--require 'min: 0.5': score: missing"),
    "score of a gate": (["--require", "score: stpe, min: 0.5"], "score 'stpe' not found (did you mean 'step'?)"),
    "where": (
        ["--require", "score: step, min: 0.5, where: {format: tgas}"],
        ": no variant to hold; there are: DetermineNextStepMail,none,lines,",
    ),
    "score": (["--score", "stpe"], "score 'stpe' not found (did you mean 'step'?); there are: args, intent, step, strict"),
    "harm": (["--score", "harm"], "score 'harm' not found; there are: args, intent, step, strict"),
    "margin": (["--margin", "0"], "Invalid value for '--margin'"),
    "confidence": (["--confidence", "95"], "Invalid value for '--confidence'"),
}


@pytest.mark.parametrize(("words", "message"), COMPARE_MISTAKES.values(), ids=COMPARE_MISTAKES)
def test_mistakes_of_compare(project: Path, words: list[str], message: str) -> None:
    recorded()
    done = call("compare", "latest", *words, code=MISTAKE)
    assert message in done.stderr
    assert done.stdout == ""


def test_compare_with_what_isnt_there(project: Path) -> None:
    recorded()
    commit(project, "v1")
    assert (
        "run or git revision 'nowhere' not found; there are: main, v1"
        in call("compare", "latest", "nowhere", code=MISTAKE).stderr
    )


def test_compare_of_one_variant_has_nothing_to_compare(project: Path) -> None:
    recorded(formats=["lines"])
    assert "nothing to compare: no variant but the baseline has an answer" in call("compare", "latest", code=MISTAKE).stderr


def test_report_is_written_and_printed(project: Path) -> None:
    recorded()
    printed = call("report", "latest").output
    done = call("report", "latest", "-o", "one.md", "-o", "two.csv", "--charts", "none")
    assert done.output == "wrote one.md\nwrote two.csv\n"
    assert (project / "one.md").read_text() == printed
    assert printed.startswith("# small: Do tags change the step?\n")
    assert len((project / "two.csv").read_text().splitlines()) == 13
    assert str(project) not in printed + (project / "two.csv").read_text()


def test_models_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = call("models").output
    assert re.search(r"^local/qwen2.5-coder-0.5b  (not )?installed", out)
    assert "491 MB, Apache-2.0" in out
    assert re.search(r"sha256 [0-9a-f]{64}", out)


def test_suites_are_plain_yaml(project: Path) -> None:
    assert yaml.safe_load((project / "evals" / "small.yaml").read_text())["description"].endswith("?")
