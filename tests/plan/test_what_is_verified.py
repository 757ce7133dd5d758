"""A suite is verified once, and only the share of it that is asked; whatever changes is verified anew."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from phrasing.api import plan
from phrasing.baml.project import Function
from phrasing.errors import BamlError, FormatError, UserError
from phrasing.plan.find_prompt import Shown, Wanted, find_prompts
from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import resolve
from phrasing.plan.selection import WHOLE, Selection
from phrasing.prompts import formats, probe
from phrasing.runs import run_folders
from phrasing.suite.file import SuiteFile, load_suite
from support.counted_calls import calls
from support.small_projects import CLIENT, STEPS, SUITE, cache, case, cases, event, function, lines, project, write  # noqa: F401
from support.tiers import examples, few

COUNTED = Function.render, probe.probe, formats.render_events


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: None) -> Path:  # noqa: F811
    """Begin with nothing remembered but what BAML generated."""
    generated = Path(os.environ["PHRASING_CACHE_DIR"], "baml")
    folder = tmp_path / "memory"
    folder.mkdir()
    generated.mkdir(parents=True, exist_ok=True)
    (folder / "baml").symlink_to(generated, target_is_directory=True)
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(folder))
    return folder


def counts(file: SuiteFile, selection: Selection = WHOLE) -> list[int]:
    """Resolve, and count what BAML renders, what is probed, and what formats render."""
    return calls(lambda: resolve(file, selection), *COUNTED)


# ---------------------------------------------------------------------------------------------- once


def test_what_passed_is_not_verified_again(tmp_path: Path, memory: Path) -> None:
    file = project(tmp_path, datasets={"mail": cases(5)}, formats=["json", "xml_json"])
    first, again = counts(file), counts(file)
    apart = again[0]  # a prompt is taken apart each time
    assert first == [apart + 5 * 2, 5 * 2, 3 * 5 * 2]
    assert again == [apart, 0, 5 * 2]
    assert counts(file) == again


def test_a_case_more_is_all_that_is_verified(tmp_path: Path, memory: Path) -> None:
    kept = {"formats": ["json", "xml_json"]}
    before = counts(project(tmp_path, datasets={"mail": cases(5)}, **kept))
    again = counts(project(tmp_path, datasets={"mail": cases(6)}, **kept))
    assert (before[1], again[1]) == (5 * 2, 2)
    assert again[0] == before[0] - 5 * 2 + 2


def test_formats_that_may_read_other_files_are_probed_each_time(tmp_path: Path, memory: Path) -> None:
    file = project(tmp_path, datasets={"mail": cases(4)}, formats=["messages_text"], baseline={"output": "prompted"})
    assert [counts(file)[1], counts(file)[1]] == [4, 4]
    drawn = "{{ thread.events | json }}{# [1] | random #}"
    write(
        tmp_path, {"formats/drawn.j2": drawn, "formats/named.j2": "{{ thread.events | json }}{% set x = [1] | map('string') %}"}
    )
    file = project(tmp_path, datasets={"mail": cases(4)}, formats=["drawn", "named"])
    assert [counts(file)[1], counts(file)[1]] == [8, 8]


# ---------------------------------------------------------------------------------------------- only what is asked


@pytest.mark.parametrize(
    ("selection", "share"),
    [
        (Selection(cases=3), 3 * 2),
        (Selection(shard="1/5"), 8 * 2),
        (Selection(select="c7 and xml_json"), 1),
        (Selection(formats=["xml_json"], cases=4), 4),
    ],
    ids=["sample", "shard", "expression", "format"],
)
def test_a_share_verifies_only_its_own_cases(tmp_path: Path, memory: Path, selection: Selection, share: int) -> None:
    file = project(tmp_path, datasets={"mail": cases(40)}, formats=["json", "xml_json"])
    first, again = counts(file, selection), counts(file, selection)
    assert (first[0] - again[0], first[1], again[1]) == (share, share, 0)


def test_what_a_run_composed_of_the_same_inputs_is_neither_rendered_nor_verified(tmp_path: Path, memory: Path) -> None:
    file = project(tmp_path, datasets={"mail": cases(40)}, formats=["json", "xml_json"])
    made = resolve(file)
    known = {str(Inputs(made)(trial)): "a key" for trial in made.trials}
    assert len(known) == 80
    first = 2  # of one case every variant is composed
    assert calls(lambda: plan(file, resume=remembering(tmp_path, known)), *COUNTED)[1:] == [0, first]
    for trial in made.trials:
        if trial.case == "c7":
            del known[str(Inputs(made)(trial))]
    assert calls(lambda: plan(file, resume=remembering(tmp_path, known)), *COUNTED)[1:] == [0, first + 2]


def test_inputs_that_changed_are_verified_though_others_are_known(tmp_path: Path, memory: Path) -> None:
    made = resolve(project(tmp_path, datasets={"mail": cases(5)}, formats=["json"]))
    folder = remembering(tmp_path, {str(Inputs(made)(trial)): "a key" for trial in made.trials})
    write(tmp_path, {"formats/json.j2": "{{ thread.events | json | upper }}"})
    with pytest.raises(FormatError, match="drops events"):
        plan(load_suite(made.file.path), resume=folder)


def remembering(root: Path, known: Mapping[str, str]) -> Path:
    """Write a run's folder that knows the keys of requests by the digests of their inputs."""
    folder = root / "runs" / "before"
    write(folder, {run_folders.KEYS: "".join(json.dumps({"inputs": name, "key": key}) + "\n" for name, key in known.items())})
    return folder


def test_edits_are_made_of_the_cases_that_are_asked(tmp_path: Path, memory: Path) -> None:
    counting = """
LOSSY = "nothing"


def edit(thread):
    with open(__file__ + ".log", "a") as log:
        log.write("x")
    return thread
"""
    write(tmp_path, {"formats/edits/counting.py": counting})
    file = project(tmp_path, datasets={"mail": cases(40)}, formats=["json"], edits=["none", "counting"])
    resolve(file, Selection(cases=3))
    log = tmp_path / "formats/edits/counting.py.log"
    assert len(log.read_text()) <= 2 * 4  # each twice, and that of the first case, of which every variant is composed
    log.unlink()
    resolve(file)
    assert len(log.read_text()) == 2 * 40


def test_a_prompt_is_rendered_without_the_other_cases(tmp_path: Path, memory: Path) -> None:
    file = project(tmp_path, datasets={"mail": cases(40)}, formats=["json", "xml_json"])
    wanted = Wanted("", "c7", [Shown("json", "none"), Shown("xml_json", "none")])
    assert calls(lambda: find_prompts([file], wanted), probe.probe) == [2]


def test_labels_and_the_whole_dataset_are_checked_whatever_is_asked(tmp_path: Path, memory: Path) -> None:
    wrong = case("wrong", expect=[{"intent": "serach"}])
    file = project(tmp_path, datasets={"mail": [*cases(30), wrong]}, formats=["json"])
    with pytest.raises(UserError, match="serach"):
        resolve(file, Selection(select="c1"))


def test_shares_have_the_variants_of_the_whole(tmp_path: Path, memory: Path) -> None:
    step = [event("search", {"query": "q"}), event("search_result", {"hits": 1})]
    listed = [*cases(20), case("steps", *step)]
    file = project(tmp_path, datasets={"mail": listed}, formats=["json", "messages"], outputs=["prompted", "tool"])
    whole = resolve(file)
    assert any(skipped.format == "messages" for skipped in whole.skipped)  # by the one case that holds a step
    share = resolve(file, Selection(select="c1"))
    assert (share.variants, share.skipped, share.baselines) == (whole.variants, whole.skipped, whole.baselines)


# ---------------------------------------------------------------------------------------------- whatever changes

LOOKS = "{{ ctx.output_format }}{% if WHAT in thread %}!{% endif %}\n{{ thread }}"


def looking(what: str = '"urgent"', *, parameters: str = "thread: string, word: string") -> str:
    return CLIENT + STEPS + function("Mail", LOOKS.replace("WHAT", what), parameters=parameters)


GOOD: dict[str, str] = {
    "baml_src/mail.baml": looking(),
    "formats/plain.j2": "{# parameter before: calm calmer #}{{ before }}{{ thread.events | json }}",
    "formats/edits/keep.py": 'ADDS = "a word"\ndef edit(thread):\n    return thread\n',
    "datasets/mail.jsonl": lines(*cases(3)),
    "evals/mail.yaml": yaml.safe_dump(
        {
            **SUITE,
            "formats": ["plain"],
            "edits": ["keep"],
            "agents": [{"dataset": "mail", "functions": ["Mail"], "thread": "thread", "arguments": {"word": "grave"}}],
        }
    ),
}
ADDS = 'ADDS = "a word"\ndef edit(thread):\n    thread["events"][0]["data"] = "urgent"\n    return thread\n'
CHANGES: dict[str, dict[str, str]] = {
    "a case": {"datasets/mail.jsonl": lines(*cases(2), case("c2", event("note", "urgent")))},
    "the format": {"formats/plain.j2": GOOD["formats/plain.j2"] + "urgent"},
    "what the format drops": {"formats/plain.j2": "{# parameter before: calm #}{{ before }}{{ thread.events[0].type }}"},
    "a parameter": {
        "evals/mail.yaml": GOOD["evals/mail.yaml"].replace("- plain\n", "- plain(before=calmer)\n"),
        "baml_src/mail.baml": looking('"calmer"'),
    },
    "the edit": {"formats/edits/keep.py": ADDS},
    "the prompt": {"baml_src/mail.baml": looking('"about"')},
    "an argument": {
        "baml_src/mail.baml": looking("word"),
        "evals/mail.yaml": GOOD["evals/mail.yaml"].replace("grave", "about"),
    },
    "a template string in another file": {
        "baml_src/mail.baml": looking("Word()"),
        "baml_src/word.baml": 'template_string Word() #"about"#\n',
    },
}


def fails(root: Path) -> str | None:
    try:
        resolve(load_suite(root / "evals/mail.yaml"))
    except (BamlError, FormatError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("what", few(CHANGES, [*CHANGES][::3]))
def test_what_fails_now_is_never_hidden_by_what_passed(tmp_path: Path, memory: Path, what: str) -> None:
    write(tmp_path, GOOD)
    assert fails(tmp_path) is None
    assert fails(tmp_path) is None
    write(tmp_path, CHANGES[what])
    first = fails(tmp_path)
    assert first is not None
    assert fails(tmp_path) == first
    write(tmp_path, GOOD)
    (tmp_path / "baml_src/word.baml").unlink(missing_ok=True)
    assert fails(tmp_path) is None


said = st.sampled_from(["calm", "urgent", "urg", "ent", "x" * 50])
endings = st.sampled_from(["", " urgent", " urg", " {{ 'ur' }}gent", "{% if 0 %}urgent{% endif %}"])
adding = st.sampled_from([GOOD["formats/edits/keep.py"], ADDS])


@examples(6, 25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(st.tuples(st.lists(said, min_size=1, max_size=3), endings, adding), min_size=2, max_size=4))
def test_remembering_changes_no_outcome(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, versions: list[tuple[list[str], str, str]]
) -> None:
    write(tmp_path, GOOD)
    for words, ending, edit in versions:
        told: list[dict[str, Any]] = [case(f"c{i}", event("note", word)) for i, word in enumerate(words)]
        changed = {
            "datasets/mail.jsonl": "".join(json.dumps(one) + "\n" for one in told),
            "formats/plain.j2": GOOD["formats/plain.j2"] + ending,
            "formats/edits/keep.py": edit,
        }
        write(tmp_path, changed)
        found = fails(tmp_path)
        with monkeypatch.context() as patch:
            fresh = tmp_path / "fresh"
            fresh.mkdir(exist_ok=True)
            (fresh / "baml").unlink(missing_ok=True)
            (fresh / "baml").symlink_to((memory / "baml").resolve(), target_is_directory=True)
            for path in (fresh / "verified").glob("*"):
                path.unlink()
            patch.setenv("PHRASING_CACHE_DIR", str(fresh))
            assert found == fails(tmp_path)
