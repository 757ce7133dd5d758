"""Words of suites, datasets and formats that are called something else now: understood, hinted at, and stored as ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phrasing.plan import describe
from phrasing.plan.resolve import resolve
from phrasing.prompts import formats
from phrasing.runs import provenance
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Suite
from support.paths import REPOSITORY
from support.small_projects import case, project

OLD = {
    "compare": {"score": "args"},
    "require": [{"score": "step", "min": 0.5}, {"score": "strict", "min": 0.5}, {"score": "harm", "max": 0}],
    "undecided": "pass",
    "observed": "gate",
}
NEW = {
    "compare": {"score": "arguments"},
    "require": [{"score": "correct", "min": 0.5}, {"score": "valid", "min": 0.5}, {"score": "forbidden", "max": 0}],
    "inconclusive": "pass",
    "logged": "gate",
}


def test_old_and_new_words_say_the_same(tmp_path: Path) -> None:
    old, new = (project(tmp_path / name, **keys) for name, keys in (("old", OLD), ("new", NEW)))
    assert old.suite == new.suite
    assert [gate.score for gate in new.suite.require] == ["step", "strict", "harm"]
    assert new.suite.compare.score == "args"
    assert (new.suite.inconclusive, new.suite.logged) == ("pass", "gate")
    assert new.hints == ()
    hinted = [hint.partition(": ")[2] for hint in resolve(old).hints]
    assert sorted(hinted) == [
        "`args` is now called `arguments`",
        "`harm` is now called `forbidden`",
        "`observed` is now called `logged`",
        "`step` is now called `correct`",
        "`strict` is now called `valid`",
        "`undecided` is now called `inconclusive`",
    ]


def test_a_hint_names_the_line(tmp_path: Path) -> None:
    file = project(tmp_path)
    file.path.write_text(file.path.read_text() + "undecided: pass\nrequire:\n- {min: 0.5,\n   score: step}\n")
    lines = len(file.path.read_text().splitlines())
    assert load_suite(file.path).hints == (
        f"{file.path}:{lines - 3}: `undecided` is now called `inconclusive`",
        f"{file.path}:{lines}: `step` is now called `correct`",
    )


def test_a_run_stores_the_words_it_always_had(tmp_path: Path) -> None:
    resolved = resolve(project(tmp_path, datasets={"mail": [case("c1", strength="logged")]}, **NEW))
    record = provenance.describe(resolved, started="2030-01-02T03:04:05Z")
    stored = json.loads(record.model_dump_json(by_alias=True))
    assert {key: stored["resolved"][key] for key in ("undecided", "observed")} == {"undecided": "pass", "observed": "gate"}
    assert [gate["score"] for gate in stored["resolved"]["require"]] == ["step", "strict", "harm"]
    assert stored["cases"]["mail"]["c1"]["strength"] == "observed"
    read = type(record).model_validate(stored)
    assert (read.cases["mail"]["c1"].strength, Suite.model_validate(read.resolved)) == ("logged", resolved.suite)


def test_a_scorer_of_the_users_keeps_a_name_that_a_built_in_score_has_now(tmp_path: Path) -> None:
    tmp_path.joinpath("evals").mkdir(parents=True)
    (tmp_path / "evals" / "own.py").write_text("def valid(case, step, completion):\n    return 1.0\n")
    keys = {"scorers": ["evals/own.py:valid"], "compare": {"score": "valid"}, "require": [{"score": "valid", "min": 0.5}]}
    file = project(tmp_path, **keys)
    assert (file.suite.compare.score, file.suite.require[0].score) == ("valid", "valid")
    assert file.requiring(["score: valid, min: 0.1", "score: correct, min: 0.1"]).suite.require[1:] != ()
    assert [gate.score for gate in file.requiring(["score: valid, min: 0.1", "score: correct, min: 0.1"]).suite.require] == [
        "valid",
        "valid",
        "step",
    ]


def test_labels_of_the_old_strength_are_understood(tmp_path: Path) -> None:
    cases = [case("c1", strength="written"), case("c2", strength="observed"), case("c3", strength="observed")]
    resolved = resolve(project(tmp_path, datasets={"mail": cases}))
    assert [found.strength for found in resolved.agents["mail"].cases.values()] == ["written", "logged", "logged"]
    [hint] = resolved.hints
    assert hint.endswith("datasets/mail.jsonl:2: `observed` is now called `logged` (and 1 more)")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("x.j2", "{# spoofable: why #}\n{{ thread }}", "{# injectable: why #}\n{{ thread }}"),
        ("x.py", 'SPOOFABLE = "why"\ndef render(thread): return "x"', 'INJECTABLE = "why"\ndef render(thread): return "x"'),
    ],
)
def test_a_format_is_the_same_under_either_mark(tmp_path: Path, name: str, old: str, new: str) -> None:
    loaded = []
    for folder, text in (("old", old), ("new", new)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
        loaded.append(formats.load(tmp_path / folder, "x"))
    assert [(format.injectable, format.digest) for format in loaded] == [("why", loaded[0].digest)] * 2
    words = "`spoofable` is now called `injectable`" if name == "x.j2" else "`SPOOFABLE` is now called `INJECTABLE`"
    assert [format.hint for format in loaded] == [f"{loaded[0].path}:1: {words}", None]


def test_shipped_formats_are_those_that_recordings_name() -> None:
    folder = REPOSITORY / "formats"
    for path in sorted((REPOSITORY / "reports" / "reference").rglob("run.json")):
        for name, recorded in json.loads(path.read_text("utf-8"))["formats"].items():
            assert formats.load(folder, name).digest == recorded["digest"], (path, name)


def test_who_labelled_is_kept_where_it_is_said(tmp_path: Path) -> None:
    cases = [case("c1", labeller="model"), case("c2")]
    resolved = resolve(project(tmp_path, datasets={"mail": cases}))
    assert "\n    labelled by: a model 1\n" in describe.plan_text(resolved)
    record = provenance.describe(resolved, started="2030-01-02T03:04:05Z")
    stored = json.loads(record.model_dump_json(by_alias=True))["cases"]["mail"]
    assert (stored["c1"]["labeller"], "labeller" in stored["c2"]) == ("model", False)
    assert type(record).model_validate_json(record.model_dump_json(by_alias=True)) == record
