"""Resuming: what is known isn't composed again, which changes no answer; and whatever kills it, no stale answer counts."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import phrasing
from phrasing import api
from phrasing.analysis.run import Run
from phrasing.errors import UserError
from phrasing.plan.resolve import Plan, resolve
from phrasing.runs import run_folders, store
from phrasing.runs.lazy import Answer
from phrasing.runs.single_step import SingleStep
from phrasing.suite.file import load_suite
from support.tiers import THOROUGH, examples, few
from support.tiny_runs import BAML, Model, cache, case, obey, world

__all__ = ["cache"]

MANY = [
    case("ex-1", answer={"intent": "send", "args": {"to": "ann", "urgent": True}}),
    *(case(f"a-{i}", reply=reply, expect=reply, tags=["short"]) for i, reply in enumerate(["send", "ask", "finish"])),
]
for number, one in enumerate(MANY):
    one["thread"]["events"][0]["data"]["n"] = number
SHOWN = """
function Shown(thread: string, examples: string, who: string) -> LookUp | Send | Ask | Finish {
  client Nobody
  prompt #"
    {{ _.role("system") }}
    You send mail for {{ who }}.
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ examples }}
    {{ thread }}
  "#
}
"""
PYTHON = """
SPOOFABLE = "no borders"

def render(thread):
    return "\\n".join(f"{event['type']}: {event['data']}" for event in thread["events"])
"""
EDIT = """
LOSSY = "all but the last"

def edit(thread):
    return {"events": thread["events"][-1:]}
"""
SUITE: dict[str, Any] = {
    "agents": [
        {"dataset": "mail", "functions": ["DetermineNextStepMail", "Shown"], "examples": ["ex-1"], "arguments": {"who": "ann"}}
    ],
    "formats": ["lines", "tags", "plain"],
    "edits": ["none", "last"],
    "outputs": ["prompted", "native"],
    "models": ["openai/one", {"id": "openai/two", "params": {"top_p": 0.5}}],
    "params": {"max_tokens": 100},
    "seed": 3,
}


def write(root: Path) -> Path:
    """Write a project with all that a request can depend on."""
    path = world(root, cases=MANY, **SUITE)
    (root / "baml_src" / "mail.baml").write_text(BAML + SHOWN)
    (root / "formats" / "plain.py").write_text(PYTHON)
    (root / "formats" / "edits").mkdir()
    (root / "formats" / "edits" / "last.py").write_text(EDIT)
    return path


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run of the project."""
    return phrasing.run(write(tmp_path_factory.mktemp("whole") / "project"), complete=obey)


def copy(run: Run, root: Path) -> Path:
    """Copy the project of a run, and give the run's folder there."""
    project = run.folder.parents[2]
    shutil.copytree(project, root, dirs_exist_ok=True)
    return root / run.folder.relative_to(project)


def suite_of(folder: Path) -> Path:
    return folder.parents[2] / "evals" / "small.yaml"


NOBODY = api.AskOptions(complete=Model(last=0))
"""A model that answers nothing."""


def true_keys(plan: Plan) -> dict[str, str]:
    return {trial.id: plan.request(trial, plan.prompt(trial)).key for trial in plan.trials}


def stale(folder: Path, plan: Plan) -> set[str]:
    """The trials that have an answer to another request than theirs of now."""
    now = true_keys(plan)
    return {
        name for name, result in store.results(folder).items() if name in now and not result.error and result.key != now[name]
    }


def outdated(plan: Plan, folder: Path) -> set[str]:
    """Bring a run up to date with a model that answers nothing, and say which answers it outdates."""
    api.ask(plan, api.AskOptions(complete=Model(last=0)), resume=folder)
    found = store.results(folder)
    return {name for name, result in found.items() if result.error and result.error.kind == store.OUTDATED}


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trials that are composed."""
    names: list[str] = []
    first = SingleStep.first

    def counting(self: SingleStep, plan: Plan, trial: Any) -> Any:
        names.append(trial.id)
        return first(self, plan, trial)

    monkeypatch.setattr(SingleStep, "first", counting)
    return names


# ---------------------------------------------------------------------------------------------- what is composed


def test_a_run_with_nothing_to_do_composes_nothing(answered: Run, tmp_path: Path, composed: list[str]) -> None:
    folder = copy(answered, tmp_path)
    before = {name: (folder / name).read_bytes() for name in (run_folders.RESULTS, run_folders.PROMPTS, run_folders.KEYS)}
    seen: list[Any] = []
    again = phrasing.run(suite_of(folder), resume=folder, complete=Model(last=0), report=seen.append)
    assert composed == []
    assert again.outcome == phrasing.runs.runner.Outcome()
    assert {result.trial: result for result in seen} == answered.results == Run(folder).results
    assert before == {name: (folder / name).read_bytes() for name in before}
    # who needs none of them whole is told of as many, and run.json isn't written again
    kept: list[Answer] = []
    record = (folder / run_folders.RUN).stat().st_ino
    api.ask(api.plan(load_suite(suite_of(folder)), resume=folder), NOBODY, resume=folder, report=seen.append, kept=kept.append)
    assert (composed, len(seen)) == ([], len(kept))
    assert sorted((answer.key, answer.prompt) for answer in kept) == sorted((result.key, result.prompt) for result in seen)
    assert before == {name: (folder / name).read_bytes() for name in before}
    assert (folder / run_folders.RUN).stat().st_ino == record


def test_an_older_run_is_composed_once_and_known_then(answered: Run, tmp_path: Path, composed: list[str]) -> None:
    folder = copy(answered, tmp_path)
    (folder / run_folders.KEYS).unlink()
    for times in (1, 0):
        composed.clear()
        phrasing.run(suite_of(folder), resume=folder, complete=Model(last=0))
        assert len(composed) == times * len(answered.results)


def test_what_is_damaged_of_the_keys_is_composed(answered: Run, tmp_path: Path, composed: list[str]) -> None:
    folder = copy(answered, tmp_path)
    lines = (folder / run_folders.KEYS).read_text().splitlines()
    (folder / run_folders.KEYS).write_text(
        "\n".join(["{", "[1]", '{"inputs": []}', '{"inputs": [], "key": "x"}', *lines[5:]]) + "\n" + lines[0][:40]
    )
    phrasing.run(suite_of(folder), resume=folder, complete=Model(last=0))
    assert len(composed) == 5


def test_a_wrong_key_makes_no_answer_outdated_and_is_mended(answered: Run, tmp_path: Path, composed: list[str]) -> None:
    folder = copy(answered, tmp_path)
    kept = [json.loads(line) for line in (folder / run_folders.KEYS).read_text().splitlines()]
    wrong = [{**each, "key": each["key"][::-1]} for each in kept[:3]]
    (folder / run_folders.KEYS).write_text("".join(f"{json.dumps(each)}\n" for each in [*wrong, *kept[3:]]))
    for times in (3, 0):
        composed.clear()
        assert outdated(resolve(load_suite(suite_of(folder))), folder) == set()
        assert len(composed) == times
    assert dict(Run(folder).results) == dict(answered.results)


@pytest.mark.parametrize("kept", [None, lambda answer: None], ids=["read", "unread"])
def test_only_prompts_that_are_lost_are_composed_and_kept_again(
    answered: Run, tmp_path: Path, composed: list[str], kept: Callable[[Answer], object] | None
) -> None:
    folder = copy(answered, tmp_path)
    path, whole = folder / run_folders.PROMPTS, store.prompts(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    lost = next(number for number, line in enumerate(lines) if store.is_prompt(json.loads(line)["value"]))
    lines[lost] = lines[lost][:-20] + b"\n"
    path.write_bytes(b"".join(lines))
    (gone,) = whole.keys() - store.prompts(folder).keys()
    api.ask(api.plan(load_suite(suite_of(folder)), resume=folder), NOBODY, resume=folder, kept=kept)
    assert store.prompts(folder) == whole
    (first,) = composed  # it keeps the prompt for all that send it
    assert answered.results[first].prompt == gone


def test_only_what_changed_is_composed(answered: Run, tmp_path: Path, composed: list[str]) -> None:
    folder = copy(answered, tmp_path)
    dataset = folder.parents[2] / "datasets" / "mail.jsonl"
    dataset.write_text(dataset.read_text().replace("a-1, reply", "a-1, please reply"))
    phrasing.run(suite_of(folder), resume=folder, complete=obey)
    assert {name.partition("::")[2].partition("[")[0] for name in composed} == {"a-1"}
    assert not stale(folder, resolve(load_suite(suite_of(folder))))


CODE = [
    ("", True),
    ("import json, re\nfrom collections import Counter\n", True),
    ("import os\n", False),
    ("from pathlib import Path\n", False),
    ("def f():\n    import datetime\n", False),
    ("def f():\n    return open('x')\n", False),
    ("f = json.loads\n", True),
    ("def f():\n    return f.__globals__\n", False),
    ("def f():\n    return __import__('time')\n", False),
    ("n = 0\ndef f():\n    global n\n    n += 1\n", False),
]


@pytest.mark.parametrize(("code", "contained"), few(CODE, CODE[::3]))
def test_a_format_that_may_look_elsewhere_is_always_composed(
    answered: Run, tmp_path: Path, composed: list[str], code: str, contained: bool
) -> None:
    folder = copy(answered, tmp_path)
    (folder.parents[2] / "formats" / "plain.py").write_text(f"import json\n{code}{PYTHON}")
    for _ in range(2):
        composed.clear()
        phrasing.run(suite_of(folder), resume=folder, complete=Model(last=0))
    assert {",plain," in name for name in composed} == (set() if contained else {True})


# ---------------------------------------------------------------------------------------------- the same as composing all


def in_file(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


def in_suite(**keys: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "evals" / "small.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **keys}, sort_keys=False))

    return change


AGENT = SUITE["agents"][0]
MAIL, DATA = "baml_src/mail.baml", "datasets/mail.jsonl"

# Changes of one file, and whether they change any request.
CHANGES: dict[str, tuple[Callable[[Path], None], bool]] = {
    "nothing": (lambda root: None, False),
    "a thread": (in_file(DATA, "a-2, reply", "a-2, do reply"), True),
    "a key more": (in_file(DATA, '"n": 1}', '"n": 1, "m": 1}'), True),
    "the order of keys": (in_file(DATA, '{"text": "a-0, reply: send", "n": 1}', '{"n": 1, "text": "a-0, reply: send"}'), True),
    "how a number is written": (in_file(DATA, '"n": 2}', '"n": 2.0}'), True),
    "white space": (in_file(DATA, '"n": 2}', '"n":  2 }'), False),
    "a label": (in_file(DATA, '"expect": [{"intent": "finish"}]', '"expect": [{"intent": "ask"}]'), False),
    "tags": (in_file(DATA, '"tags": ["short"]', '"tags": ["long"]'), False),
    "an example's answer": (in_file(DATA, '"urgent": true', '"urgent": false'), True),
    "an example's thread": (in_file(DATA, "ex-1, reply", "ex-1, never reply"), True),
    "another case": (lambda root: in_file(DATA, '{"id": "a-0"', json.dumps(case("b-1")) + '\n{"id": "a-0"')(root), False),
    "one case less": (lambda root: (root / DATA).write_text("".join((root / DATA).read_text().splitlines(True)[:-1])), False),
    "a template": (in_file("formats/tags.j2", "</{{ event.type }}>", "</{{ event.type }} >"), True),
    "a template's comment": (in_file("formats/lines.j2", "{% for", "{# a comment #}{% for"), False),
    "a mark's new name": (in_file("formats/tags.j2", "{# spoofable:", "{# injectable:"), False),
    "a Python format": (in_file("formats/plain.py", "{event['type']}: ", "{event['type']} - "), True),
    "a Python format's comment": (in_file("formats/plain.py", "def render", "# a comment\ndef render"), False),
    "an edit": (in_file("formats/edits/last.py", "[-1:]", "[:1] * 2"), True),
    "an edit's mark": (in_file("formats/edits/last.py", "all but", "everything but"), False),
    "a prompt": (in_file(MAIL, "You send mail for a person.", "You send mail for somebody."), True),
    "a description": (in_file(MAIL, "search the address book", "search the book"), True),
    "a class": (in_file(MAIL, "urgent bool", "urgent bool?"), True),
    "a comment in BAML": (in_file(MAIL, "class Send {", "// a comment\nclass Send {"), False),
    "an unused function": (in_file(MAIL, "{{ thread }}\n  \"#\n}\nclient", "{{ thread }}.\n  \"#\n}\nclient"), False),
    "an argument": (in_suite(agents=[{**AGENT, "arguments": {"who": "bob"}}]), True),
    "parameters": (in_suite(params={"max_tokens": 101}), True),
    "a parameter that is the default": (in_suite(params={"max_tokens": 100, "temperature": 0}), False),
    "a model's parameters": (in_suite(models=["openai/one", {"id": "openai/two", "params": {"top_p": 0.6}}]), True),
    "a model's id": (in_suite(models=["openai/one", {"id": "openai/three", "label": "two", "params": {"top_p": 0.5}}]), True),
    "an address": (in_suite(models=["openai/one", {**SUITE["models"][1], "api_base": "http://x"}]), False),
    "a seed": (in_suite(seed=4), True),
    "seeds": (in_suite(seeds="independent"), True),
    "repeats": (in_suite(repeats=2), False),
    "a gate": (in_suite(require=[{"score": "correct", "min": 0.1}]), False),
    "a tokenizer": (in_suite(tokenizer="cl100k_base"), False),
    "outputs": (in_suite(outputs=["native", "native_bare"]), False),
}  # fmt: skip


QUICK = [
    "nothing",
    "a key more",
    "a label",
    "an example's answer",
    "a template",
    "a Python format's comment",
    "a prompt",
    "a seed",
]


@pytest.mark.parametrize("name", few(CHANGES, QUICK))
def test_what_is_known_outdates_what_composing_outdates(answered: Run, tmp_path: Path, name: str) -> None:
    change, changes = CHANGES[name]
    folder = copy(answered, tmp_path)
    change(tmp_path)
    plan = resolve(load_suite(suite_of(folder)))
    wanted = stale(folder, plan)
    assert bool(wanted) == changes
    assert outdated(plan, folder) == wanted


FILES = [
    "datasets/mail.jsonl",
    "formats/tags.j2",
    "formats/lines.j2",
    "formats/plain.py",
    "formats/edits/last.py",
    "baml_src/mail.baml",
    "evals/small.yaml",
]
PUT = ["x", " ", "1", "\n", '"', "a-1", "{", "text", "send", "#", "true", "[0]", "é"]


@examples(6, 40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(data=st.data())
def test_any_change_of_a_file_outdates_what_composing_outdates(
    answered: Run, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("any")
    folder = copy(answered, root)
    path = root / data.draw(st.sampled_from(FILES))
    text = path.read_text()
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    path.write_text(text[:at] + data.draw(st.sampled_from(PUT)) + text[at + cut :])
    try:
        plan = resolve(load_suite(suite_of(folder)))
    except UserError:
        return
    wanted = stale(folder, plan)
    assert outdated(plan, folder) == wanted


# ---------------------------------------------------------------------------------------------- killed


def killing(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let nothing be written after so many times (a line, or a file), as if the process had been killed then."""
    left = [after]

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def one(*args: Any, **more: Any) -> Any:
            if left[0] == 0:
                raise asyncio.CancelledError
            left[0] -= 1
            return write(*args, **more)

        return one

    monkeypatch.setattr(store.Store, "_write", counted(store.Store._write))
    monkeypatch.setattr(store, "write_text", counted(store.write_text))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))


@pytest.mark.parametrize("again", few([False, True], [False]), ids=["as it is", "changed back"])
def test_whatever_kills_it_no_stale_answer_looks_fresh(tmp_path: Path, again: bool) -> None:
    suite = world(tmp_path / "project", cases=MANY[1:])
    first = phrasing.run(suite, complete=obey, jobs=1)
    tags = tmp_path / "project" / "formats" / "tags.j2"
    old, new = tags.read_text(), tags.read_text().replace("</", "< /")
    for after in range(0, 100, 1 if THOROUGH else 4):
        folder = copy(first, tmp_path / str(after))
        own = folder.parents[2] / "formats" / "tags.j2"
        own.write_text(new)
        with pytest.MonkeyPatch.context() as patch:
            killing(patch, after)
            try:
                phrasing.run(suite_of(folder), resume=folder, complete=obey, jobs=1)
                ended = True
            except asyncio.CancelledError:
                ended = False
        plan = resolve(load_suite(suite_of(folder)))
        described = Run(folder).record.formats["tags"]["digest"] == plan.formats["tags"].digest
        if described:  # as soon as the folder says that it is of this format, no answer to another one counts in it
            assert not stale(folder, plan)
        if again:
            own.write_text(old)
        model = Model()
        phrasing.run(suite_of(folder), resume=folder, complete=model)
        plan = resolve(load_suite(suite_of(folder)))
        assert {name: r.key for name, r in store.results(folder).items()} == true_keys(plan)
        assert not any(result.error for result in store.results(folder).values())
        assert set(model.keys) <= {key for name, key in true_keys(plan).items() if ",tags," in name}
        if ended:
            break
    assert after > 12


def test_a_run_that_goes_on_has_not_ended(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=obey)
    ended = run.record.finished
    assert ended is not None
    assert json.loads((run.folder / run_folders.RUN).read_text())["finished"] is None
    world(tmp_path, cases=[*MANY[1:], case("a-9")])
    for after in range(8):
        with pytest.MonkeyPatch.context() as patch:
            killing(patch, after)
            with pytest.raises(asyncio.CancelledError):
                phrasing.run(suite_of(run.folder), resume=run.folder, complete=obey)
        record = Run(run.folder).record
        assert (record.finished is None) or "a-9" not in record.cases["mail"]
    assert record.finished is None
    again = phrasing.run(suite_of(run.folder), resume=run.folder, complete=obey)
    assert again.record.finished is not None
    before = again.record
    assert api.rescore(again)[0].record == before
    assert not (run.folder / run_folders.ENDED).exists()  # the record says it all
    assert Run(run.folder).record == before
