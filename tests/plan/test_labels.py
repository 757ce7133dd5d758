"""Functions under a label: one name over several datasets, and of several functions the one that is drawn for a case."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import SuiteError
from phrasing.plan.find_prompt import Shown, Wanted, find_prompts
from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.selection import Selection
from phrasing.plan.verify import compositions
from phrasing.runs import provenance
from phrasing.suite.file import load_suite
from phrasing.suite.sample import pick
from support.small_projects import MAIL, cache, case, cases, event, function, plan_of, project, write

__all__ = ["cache"]

MAILS = ["Mail", "MailTerse"]


def agent(functions: Any, dataset: str = "mail", **more: Any) -> dict[str, Any]:
    return {"dataset": dataset, "functions": functions, **more}


def asked(plan: Plan) -> dict[tuple[str, str, str], str]:
    """The keys of a plan's requests by dataset, case and format."""
    return {
        (trial.dataset, trial.case, trial.variant.format): plan.request(trial, plan.prompt(trial)).key for trial in plan.trials
    }


def drawn(plan: Plan) -> dict[str, set[str]]:
    """The functions that each case is asked with."""
    found: dict[str, set[str]] = {}
    for trial in plan.trials:
        found.setdefault(trial.case, set()).add(plan.agents[trial.dataset].function(trial.variant.function, trial.case))
    return found


def test_a_label_changes_no_request(tmp_path: Path) -> None:
    datasets = {"mail": cases(3), "desk": cases(2)}
    named = [agent(["Mail"]), agent(["MailTerse"], "desk")]
    labelled = [agent({"pick": "Mail"}), agent({"pick": ["MailTerse"]}, "desk")]
    plain, pooled = (plan_of(tmp_path / str(i), datasets=datasets, agents=agents) for i, agents in enumerate((named, labelled)))
    assert asked(plain) == asked(pooled)
    assert {str(variant): names for variant, names in pooled.variants.items()} == {
        f"pick,none,{format},prompted,gpt": ("mail", "desk") for format in ("json", "xml_json")
    }
    assert len(plain.variants) == 4


def test_all_variants_of_a_case_are_asked_with_the_function_that_was_drawn(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, datasets={"mail": cases(40)}, agents=[agent({"pick": MAILS})])
    found = drawn(plan)
    assert all(len(names) == 1 for names in found.values())
    assert {name for names in found.values() for name in names} == {*MAILS}
    each = {name: asked(plan_of(tmp_path / name, datasets={"mail": cases(40)}, agents=[agent([name])])) for name in MAILS}
    for (dataset, name, format), key in asked(plan).items():
        assert key == each[min(found[name])][dataset, name, format]


def test_what_is_drawn_depends_on_the_case_and_the_seed_alone(tmp_path: Path) -> None:
    whole = drawn(plan_of(tmp_path / "whole", datasets={"mail": cases(40)}, agents=[agent({"pick": MAILS})]))
    more = drawn(plan_of(tmp_path / "more", datasets={"mail": cases(60)}, agents=[agent({"pick": MAILS})], formats=["json"]))
    assert {name: more[name] for name in whole} == whole
    file = load_suite(tmp_path / "whole" / "evals" / "mail.yaml")
    some = drawn(resolve(file, Selection(cases=7)))
    assert len(some) == 7
    assert {name: whole[name] for name in some} == some
    other = drawn(plan_of(tmp_path / "seed", datasets={"mail": cases(40)}, agents=[agent({"pick": MAILS})], seed=1))
    assert other != whole


@given(st.integers(1, 12), st.integers())
def test_each_of_several_is_drawn_as_often(number: int, seed: int) -> None:
    names = [f"f{i}" for i in range(number)]
    counted = Counter(pick(names, f"case-{i}", seed) for i in range(600))
    expected = 600 / number
    assert set(counted) <= {*names}
    assert sum((counted[name] - expected) ** 2 / expected for name in names) < number + 9 * (2 * number) ** 0.5 + 20


def test_answers_are_read_as_the_function_that_was_drawn_reads_them(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, datasets={"mail": cases(20)}, agents=[agent({"pick": MAILS})])
    for trial in plan.trials:
        (name,) = drawn(plan)[trial.case]
        assert plan.parser(trial).function.name == name


def test_inputs_tell_the_functions_apart(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, datasets={"mail": cases(20)}, agents=[agent({"pick": MAILS})])
    before = {trial: Inputs(plan)(trial) for trial in plan.trials}
    again = plan_of(tmp_path / "again", datasets={"mail": cases(20)}, agents=[agent({"pick": MAILS})])
    assert {trial: Inputs(again)(trial) for trial in again.trials} == before
    other = plan_of(tmp_path / "other", datasets={"mail": cases(20)}, agents=[agent({"pick": [*reversed(MAILS)]})])
    for trial in other.trials:  # in the other order each case is asked with the other function
        assert drawn(plan)[trial.case] != drawn(other)[trial.case]
        assert Inputs(other)(trial) != before[trial]


def test_each_function_is_composed_before_anything_is_asked(tmp_path: Path) -> None:
    """Not only the one that the first case is asked with: what can't be sent is said by ``check``."""
    twice = function("Twice", "{{ ctx.output_format }}\n{{ thread }}\n{{ thread }}")
    for order in (["Mail", "Twice"], ["Twice", "Mail"]):
        root = tmp_path / order[0]
        file = project(root, datasets={"mail": cases(1)}, agents=[agent({"pick": order})], formats=["messages_text"])
        (root / "baml_src" / "mail.baml").write_text(MAIL + twice)
        with pytest.raises(SuiteError, match="Twice"):
            resolve(file)


def test_functions_with_other_steps_share_no_label(tmp_path: Path) -> None:
    file = project(tmp_path, agents=[agent({"pick": ["Mail", "Few"]})])
    (tmp_path / "baml_src" / "mail.baml").write_text(MAIL + function("Few", returns="Search | Finish"))
    with pytest.raises(SuiteError, match="pick: Mail and Few don't have the same steps: only one of them has send") as caught:
        resolve(file)
    assert caught.value.where is not None
    assert "mail.yaml:" in caught.value.where


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"a,b": "Mail"}, "functions: 'a,b' is no label; wanted letters"),
        ({3: "Mail"}, "functions: 3 is no label"),
        ({}, "functions: wanted at least one"),
        ({"a": []}, r"functions: wanted the names of functions, got \[\]"),
        ({"a": {"b": "Mail"}}, "functions: wanted the names of functions, got {'b': 'Mail'}"),
        ({"a": ["Mail", 3]}, r"functions: wanted the names of functions, got \['Mail', 3\]"),
        ({"a": ["Mail", "Mail"]}, "functions: 'Mail' is named twice"),
        (["Mail", "Mail"], "functions: 'Mail' is named twice"),
        ([3], r"functions: wanted the names of functions, got \[3\]"),
        ([], r"functions: wanted the names of functions, got \[\]"),
        ("Mail", "functions: wanted a list of functions, or labels with one function or several each, got 'Mail'"),
    ],
)
def test_labels_that_cannot_be(tmp_path: Path, functions: Any, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        project(tmp_path, agents=[agent(functions)])


def test_a_label_in_two_agents_with_one_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="named twice"):
        resolve(project(tmp_path, agents=[agent({"pick": "Mail"}), agent({"pick": "MailTerse"})]))


def test_what_is_shown_is_what_is_asked(tmp_path: Path) -> None:
    file = project(tmp_path, datasets={"mail": cases(12)}, agents=[agent({"pick": MAILS})])
    plan = resolve(file)
    for trial in plan.trials:
        if trial.variant.format == "json":
            for label in (None, "pick", min(drawn(plan)[trial.case])):
                (prompt,) = find_prompts([file], Wanted("mail", trial.case, [Shown("json", "none", label)]))
                assert prompt == plan.prompt(trial)
    with pytest.raises(
        SuiteError, match=r"function 'picks' not found \(did you mean 'pick'\?\); there are: Mail, MailTerse, pick"
    ):
        find_prompts([file], Wanted("mail", "c0", [Shown("json", "none", "picks")]))


def test_a_function_that_only_a_later_suite_has_is_found(tmp_path: Path) -> None:
    first = project(tmp_path)
    text = first.path.read_text("utf-8")
    (tmp_path / "evals" / "terse.yaml").write_text(text.replace("- Mail\n", "- MailTerse\n"))
    files = [first, load_suite(tmp_path / "evals" / "terse.yaml")]
    (prompt,) = find_prompts(files, Wanted("", "c0", [Shown("json", "none", "MailTerse")]))
    assert "You send mail" not in str(prompt.messages)


def test_the_record_names_labels(tmp_path: Path) -> None:
    calls = [case("called", event("note", "x"), event("search", {"query": "x"}))]
    plan = plan_of(
        tmp_path, datasets={"mail": cases(4), "desk": calls}, agents=[agent({"pick": MAILS}), agent({"pick": "Mail"}, "desk")]
    )
    record = provenance.describe(plan, started="2030-01-02T03:04:05Z")
    assert record.steps == {"mail pick": ("search", "send", "finish"), "desk pick": ("search", "send", "finish")}
    assert record.words.keys() == record.steps.keys()
    assert {one.function for one in compositions(plan)} == {*MAILS}
    assert {one.function for one in compositions(plan, "MailTerse")} == {"MailTerse"}


def test_added_tools_leave_what_is_drawn_as_it_is(tmp_path: Path) -> None:
    tools = [
        {"name": f"tool_{word}", "description": word, "inputSchema": {"type": "object"}} for word in ("mow", "paint", "bake")
    ]
    write(tmp_path, {"tools.json": json.dumps({"tools": tools})})
    distractors = {"tools": "tools.json", "counts": [0, 2]}
    plan = plan_of(tmp_path, datasets={"mail": cases(20)}, agents=[agent({"pick": MAILS}, distractors=distractors)])
    assert {variant.function for variant in plan.variants} == {"pick", "pick(+2)"}
    assert all(len({name.partition("(")[0] for name in names}) == 1 for names in drawn(plan).values())
    assert {name for names in drawn(plan).values() for name in names} == {"Mail", "MailTerse", "Mail(+2)", "MailTerse(+2)"}
    record = provenance.describe(plan, started="2030-01-02T03:04:05Z")
    assert {name: len(steps) for name, steps in record.steps.items()} == {"mail pick": 3, "mail pick(+2)": 5}
    assert {name: len(names) for name, names in record.added.items()} == {"mail pick(+2)": 2}


def test_labels_with_as_many_functions_draw_the_same_place(tmp_path: Path) -> None:
    labels = {"one": MAILS, "other": [*reversed(MAILS)]}
    plan = plan_of(tmp_path, datasets={"mail": cases(20)}, agents=[agent(labels)], formats=["json"])
    made = plan.agents["mail"]
    places = {(label, name): labels[label].index(made.function(label, name)) for label in labels for name in made.cases}
    assert all(places["one", name] == places["other", name] for name in made.cases)
