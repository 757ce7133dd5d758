"""The shipped labels name what their threads determine, and name it so that nothing else passes for it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from functools import cache as once
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import Function, load_project
from phrasing.score import agreement
from phrasing.score.matchers import match_args
from phrasing.score.weak_labels import too_wide, unfixed
from phrasing.suite import dataset
from phrasing.types import Case, SecondLabel, StepMatch
from support.paths import REPOSITORY
from support.small_projects import cache

__all__ = ["cache"]

NAMES = tuple(dataset.available(REPOSITORY / "datasets"))

UNDETERMINED = {"request_human_input": ("options",), "wait": ("seconds",)}
"""Steps of the deploy agent whose policy leaves open how a person is asked, and how long is waited."""


@once
def read(name: str) -> dataset.Dataset:
    return dataset.load(REPOSITORY / "datasets" / f"{name}.jsonl")


@once
def functions(name: str) -> tuple[Function, ...]:
    """The functions of the agent of a dataset."""
    project = load_project(REPOSITORY / "baml_src")
    agent = "DetermineNextStep" + ("deploy" if name == "spoofing" else name).capitalize()
    return tuple(project.find(function) for function in project.functions if function.startswith(agent))


@once
def second(name: str) -> dict[str, SecondLabel]:
    steps = {step for function in functions(name) for step in function.steps}
    return agreement.second_labels(read(name), steps)


@pytest.mark.parametrize("name", NAMES)
def test_no_matcher_accepts_another_value(name: str) -> None:
    assert list(too_wide(read(name).cases, functions(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_label_names_an_argument_where_the_thread_determines_one(name: str) -> None:
    found = unfixed(read(name).cases, functions(name))
    assert {step: one.arguments for step, one in found.items()} == (UNDETERMINED if name in ("deploy", "spoofing") else {})


def demanded(args: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Name what a label doesn't match without, key by key."""
    for argument, value in args.items():
        if isinstance(value, dict) and not any(key.startswith("$") for key in value):
            yield from demanded(value, f"{path}{argument}.")
        elif match_args({argument: value}, {}) is not None:
            yield f"{path}{argument}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "spoofing"])
def test_the_second_reader_names_all_that_labels_demand_but_words(name: str) -> None:
    for case in read(name).cases:
        theirs = second(name)[case.id]
        for label in case.expect:
            if label.intent == theirs.intent:
                alone = set(demanded(label.args)) - set(demanded(theirs.args))
                assert alone <= {"title", "issue.title", "query"}, case.id


# ---------------------------------------------------------------------------------------------- what is optional


def named(label: StepMatch, path: str) -> Any:
    """What a label names inside an argument."""
    return label.args.get(path, {}) if path else label.args


@pytest.mark.parametrize(
    ("name", "step", "inside"),
    [
        ("issues", "create_issue", "issue"),  # "with nothing that nobody asked for"
        ("issues", "update_issue", "changes"),  # "only what changes"
        ("issues", "list_issues", ""),  # "of one team, assignee, project or label"
        ("weather", "check_weather", ""),  # "country or region, if known"
        ("router", "create_task", ""),  # "Don't guess"
    ],
)
def test_where_the_policy_says_what_may_be_added_labels_name_the_rest(name: str, step: str, inside: str) -> None:
    schema = functions(name)[0].steps[step].schema
    fields = schema if not inside else schema["$defs"][schema["properties"][inside]["$ref"].rpartition("/")[2]]
    known = fields["properties"].keys() - {functions(name)[0].steps[step].discriminator, "description"}
    labels = [label for case in read(name).cases for label in case.expect if label.intent == step]
    assert labels
    assert all(named(label, inside).keys() == known for label in labels)


# ---------------------------------------------------------------------------------------------- dates and times


def instants() -> Iterator[tuple[Case, str, str]]:
    """Give the dates and times that the second reader found: the case, the argument and its value."""
    for case in read("router").cases:
        label = second("router")[case.id]
        for argument in {"start", "due"} & label.args.keys():
            value = label.args[argument]
            if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", value):
                yield case, argument, value


def accepts(case: Case, argument: str, value: str) -> bool:
    """Whether any label of the case that names the argument accepts a value for it."""
    matchers = [label.args[argument] for label in case.expect if argument in label.args]
    assert matchers
    return any(match_args({"": matcher}, {"": value}) is None for matcher in matchers)


def notations(value: datetime.datetime, timed: bool) -> list[str]:
    """Write an instant in every way that a label accepts."""
    day, time = f"{value:%Y-%m-%d}", f"{value:%H:%M}"
    short = time.removeprefix("0")
    if timed:
        return [f"{day}{between}{clock}" for between in " T" for clock in (time, short, f"{time}:00")]
    month = f"{value:%B}"
    return [day, f"{value:%d.%m.%Y}", f"{value.day} {month} {value.year}", f"{month} {value.day}, {value.year}"]


INSTANTS = list(instants())


def test_no_thread_with_a_time_names_a_zone() -> None:
    for case in read("router").cases:
        assert not re.search(r"\b(UTC|GMT|CES?T|[AP]M)\b|\d:\d\d ?(Z|[+-]\d)", case.thread.model_dump_json())


def test_instants_were_found() -> None:
    assert len([one for one in INSTANTS if one[1] == "start"]) == 12
    assert len([one for one in INSTANTS if one[1] == "due"]) >= 2


@pytest.mark.parametrize(("case", "argument", "value"), INSTANTS, ids=lambda value: value.id if isinstance(value, Case) else "")
def test_an_instant_is_accepted_in_every_notation(case: Case, argument: str, value: str) -> None:
    for notation in notations(datetime.datetime.fromisoformat(value), argument == "start"):
        assert accepts(case, argument, notation)


near = st.builds(datetime.timedelta, days=st.integers(-400, 400), hours=st.integers(-24, 24), minutes=st.integers(-60, 60))
anywhen = st.datetimes(min_value=datetime.datetime(1900, 1, 1), max_value=datetime.datetime(2200, 1, 1))


@given(st.sampled_from(INSTANTS), st.one_of(near, anywhen))
def test_another_instant_is_accepted_in_none(
    instant: tuple[Case, str, str], other: datetime.timedelta | datetime.datetime
) -> None:
    case, argument, value = instant
    timed, right = argument == "start", datetime.datetime.fromisoformat(value)
    wrong = right + other if isinstance(other, datetime.timedelta) else other
    wrong = wrong.replace(second=0, microsecond=0)
    if (wrong if timed else wrong.date()) != (right if timed else right.date()):
        assert not any(accepts(case, argument, notation) for notation in notations(wrong, timed))


@pytest.mark.parametrize(("case", "argument", "value"), INSTANTS, ids=lambda value: value.id if isinstance(value, Case) else "")
@pytest.mark.parametrize("around", ["1{}", "{}0", "{}Z", "{}+01:00", "on {} or so", "{} pm"])
def test_an_instant_with_more_around_it_is_another(case: Case, argument: str, value: str, around: str) -> None:
    assert not accepts(case, argument, around.format(value))


# ---------------------------------------------------------------------------------------------- names

NAMED = [
    (name, case, argument, str(label.args[argument]))
    for name, arguments in (("router", ("to", "channel", "person", "assignee")), ("weather", ("city", "country", "name")))
    for case in read(name).cases
    for label in (second(name)[case.id],)
    for argument in arguments
    if argument in label.args
]


@pytest.mark.parametrize(
    ("name", "case", "argument", "value"), NAMED, ids=lambda value: value.id if isinstance(value, Case) else ""
)
def test_a_name_is_accepted_however_it_is_written_and_no_longer_one(name: str, case: Case, argument: str, value: str) -> None:
    assert accepts(case, argument, value)
    assert accepts(case, argument, value.upper())
    for longer in (f"{value}x", f"x{value}", f"New {value}", f"{value} Alegre", f"not {value}", f"{value} and Udo", f"{value}2"):
        assert not accepts(case, argument, longer)
