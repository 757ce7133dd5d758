"""Which variants there are, what each is compared with, and the order in which they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import SuiteError
from phrasing.plan.grid import BLOCK, History, Selected, check_requirements, find_baselines, make_variants, select
from phrasing.plan.selection import Selection
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Suite
from phrasing.types import Case, CaseNote, Output, Variant
from support.small_projects import case, project

Histories = dict[tuple[str, str, Output], History | None]

FORMATS: dict[str, History | None] = {"messages": "tool calls", "messages_text": "text", "xml": None}


def suite(**changed: Any) -> Suite:
    base = {
        "description": "Which?",
        "agents": [{"dataset": "mail", "functions": ["Mail"]}],
        "formats": ["messages", "messages_text", "xml"],
        "outputs": ["prompted", "native", "native_bare", "tool", "tool_auto"],
        "models": ["x/gpt"],
    }
    return Suite.model_validate({**base, **changed})


def histories(suite: Suite) -> Histories:
    cells = product(suite.agents, suite.formats, suite.outputs)
    return {(agent.dataset, format, output): FORMATS[format] for agent, format, output in cells}


def made_cases(**sizes: int) -> dict[str, dict[str, CaseNote]]:
    return {
        name: {f"{name}-{i}": Case.model_validate(case(f"{name}-{i}", tags=[f"tag{i}"])).note for i in range(size)}
        for name, size in sizes.items()
    }


def variants_of(suite: Suite) -> Mapping[Variant, tuple[str, ...]]:
    return make_variants(suite, histories(suite))[0]


# ---------------------------------------------------------------------------------------------- variants


def test_native_history_pairs_with_tools_and_text_with_the_rest() -> None:
    variants, skipped = make_variants(suite(), histories(suite()))
    assert {(variant.format, variant.output) for variant in variants} == {
        ("messages", "tool"),
        ("messages", "tool_auto"),
        *(("messages_text", output) for output in ("prompted", "native", "native_bare")),
        *(("xml", output) for output in ("prompted", "native", "native_bare", "tool", "tool_auto")),
    }
    assert [(cell.format, cell.output) for cell in skipped] == [
        *(("messages", output) for output in ("prompted", "native", "native_bare")),
        ("messages_text", "tool"),
        ("messages_text", "tool_auto"),
    ]
    assert str(skipped[0]) == (
        "mail: messages with output prompted: its history holds native tool calls, "
        "which an API accepts only with tools (outputs tool, tool_auto)"
    )
    assert str(skipped[3]) == (
        "mail: messages_text with output tool: its history shows steps as the assistant's text, "
        "and outputs tool and tool_auto ask for native calls"
    )


def test_an_variant_is_one_of_each_axis_and_knows_its_datasets() -> None:
    two = suite(
        agents=[{"dataset": "mail", "functions": ["Mail", "Terse"]}, {"dataset": "news", "functions": ["Mail"]}],
        formats=["xml"],
        outputs=["prompted", "tool"],
        models=["x/gpt", "y/haiku"],
    )
    variants = variants_of(two)
    assert len(variants) == 2 * 2 * 2
    assert {variant.function: datasets for variant, datasets in variants.items()} == {
        "Mail": ("mail", "news"),
        "Terse": ("mail",),
    }


def test_a_history_is_judged_for_each_dataset() -> None:
    two = suite(
        agents=[{"dataset": "mail", "functions": ["Mail"]}, {"dataset": "news", "functions": ["Mail"]}],
        formats=["messages"],
        outputs=["prompted", "tool"],
    )
    shown: dict[str, History | None] = {"mail": "tool calls", "news": None}
    variants, skipped = make_variants(
        two, {(name, "messages", output): made for name, made in shown.items() for output in two.outputs}
    )
    assert {variant.output: datasets for variant, datasets in variants.items()} == {
        "tool": ("mail", "news"),
        "prompted": ("news",),
    }
    assert [(cell.dataset, cell.output) for cell in skipped] == [("mail", "prompted")]


def test_every_edit_makes_variants_of_its_own(tmp_path: Path) -> None:
    two = suite(formats=["messages", "xml"], outputs=["tool", "prompted"], edits=["none", "keep_events(3)"])
    variants, skipped = make_variants(two, histories(two))
    cells = [("messages", "tool"), ("xml", "tool"), ("xml", "prompted")]
    assert {(variant.edit, variant.format, variant.output) for variant in variants} == {
        (edit, *cell) for edit in two.edits for cell in cells
    }
    assert len(skipped) == 1  # a cell that can't work is named once, whatever the edit
    found, _ = baselines(tmp_path, formats=["xml"], edits=["none", "keep_events(3)"], baseline={"edit": "none"})
    assert {(variant.edit, other.edit) for variant, other in found.items()} == {("none", "none"), ("keep_events(3)", "none")}


def test_an_agent_of_which_nothing_is_left() -> None:
    none = suite(formats=["messages"], outputs=["prompted", "native"])
    with pytest.raises(SuiteError) as error:
        make_variants(none, histories(none))
    assert str(error.value).startswith(
        "nothing is left of an agent; mail: messages with output prompted: its history holds native"
    )
    assert "mail: messages with output native: " in str(error.value)


# ---------------------------------------------------------------------------------------------- baselines


def baselines(root: Path, narrowed: Mapping[str, Any] | None = None, **changed: Any) -> tuple[dict[Variant, Variant], str | None]:
    file = project(root, **changed)
    one = Suite.model_validate({**dict(file.suite), **(narrowed or {})})
    return find_baselines(file, one, variants_of(one))


AXES = {"formats": ["messages", "messages_text", "xml"], "outputs": ["prompted", "tool"], "models": ["x/gpt", "y/haiku"]}


def test_a_baseline_names_some_axes_and_the_others_match(tmp_path: Path) -> None:
    found, warning = baselines(tmp_path, **AXES, baseline={"format": "xml"})
    assert warning is None
    assert len(found) == 8
    for variant, other in found.items():
        assert other == replace(variant, format="xml")


def test_several_axes_can_be_named(tmp_path: Path) -> None:
    found, _ = baselines(tmp_path, **AXES, baseline={"format": "xml", "output": "prompted", "model": "gpt"})
    assert set(found.values()) == {Variant("Mail", "none", "xml", "prompted", "gpt")}
    assert len(found) == 8


def test_an_variant_whose_baseline_cant_work_has_none(tmp_path: Path) -> None:
    found, _ = baselines(tmp_path, **AXES, baseline={"format": "messages_text"})
    assert {(variant.format, variant.output) for variant in found} == {("messages_text", "prompted"), ("xml", "prompted")}


def test_without_a_baseline_it_is_the_first_format(tmp_path: Path) -> None:
    found, _ = baselines(tmp_path, formats=["xml", "messages_text"])
    assert {variant.format for variant in found.values()} == {"xml"}


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"format": "xlm"}, "baseline.format: format 'xlm' not found (did you mean 'xml'?); there are: messages_text, xml"),
        ({"model": "gtp"}, "baseline.model: model 'gtp' not found (did you mean 'gpt'?); there are: gpt"),
        ({"function": "Mial"}, "baseline.function: function 'Mial' not found (did you mean 'Mail'?); there are: Mail"),
        ({"output": "tools"}, "baseline.output: output 'tools' not found; there are: prompted"),
        ({"format": "messages"}, "nothing is left of the baseline: format 'messages' can't work here"),
    ],
)
def test_a_baseline_that_isnt_there(tmp_path: Path, baseline: dict[str, str], message: str) -> None:
    with pytest.raises(SuiteError) as error:
        baselines(tmp_path, formats=["messages", "messages_text", "xml"], baseline=baseline)
    place, _, said = str(error.value).partition(": ")
    assert said == message
    line = (tmp_path / "evals/mail.yaml").read_text().splitlines()[int(place.rpartition(":")[2]) - 1]
    assert line == ("baseline:" if "nothing" in message else f"  {next(iter(baseline))}: {next(iter(baseline.values()))}")


def test_a_baseline_that_was_narrowed_away_is_a_warning(tmp_path: Path) -> None:
    found, warning = baselines(
        tmp_path, {"formats": ("messages_text",)}, formats=["xml", "messages_text"], baseline={"format": "xml"}
    )
    assert found == {}
    assert warning == "the baseline's format 'xml' isn't asked, so no variant is compared with it"


# ---------------------------------------------------------------------------------------------- requirements


def required(root: Path, **where: str) -> SuiteFile:
    requirements = [{"score": "intent", "min": 0.9}, {"score": "harm", "max": 0, "where": where}]
    return project(root, formats=["xml", "messages_text"], require=requirements)


def test_requirements_may_name_any_axis(tmp_path: Path) -> None:
    file = required(tmp_path, function="Mail", format="xml", output="prompted", model="gpt")
    check_requirements(file, variants_of(file.suite))


def test_a_requirement_for_an_variant_that_isnt_there(tmp_path: Path) -> None:
    file = required(tmp_path, format="xlm")
    with pytest.raises(SuiteError) as error:
        check_requirements(file, variants_of(file.suite))
    said = "require.1.where.format: format 'xlm' not found (did you mean 'xml'?); there are: messages_text, xml"
    assert str(error.value).endswith(said)
    line = int(str(error.value).removesuffix(f": {said}").rpartition(":")[2])
    assert (tmp_path / "evals/mail.yaml").read_text().splitlines()[line - 1].strip() == "format: xlm"


# ---------------------------------------------------------------------------------------------- order

GRIDS = st.fixed_dictionaries(
    {
        "formats": st.sampled_from([["xml"], ["xml", "messages_text"], ["messages", "messages_text", "xml"]]),
        "outputs": st.sampled_from([["prompted", "tool"], ["tool", "native", "prompted"]]),
        "models": st.sampled_from([["x/gpt"], ["x/gpt", "y/haiku"]]),
        "repeats": st.integers(1, 3),
        "seed": st.integers(0, 3),
    }
)


@given(grid=GRIDS, size=st.integers(1, 40))
def test_every_trial_is_asked_once_and_a_prefix_is_paired(grid: dict[str, Any], size: int) -> None:
    one = suite(**grid)
    variants = variants_of(one)
    trials, partial, _ = select(one, variants, made_cases(mail=size))
    assert partial is None
    assert Counter(trials) == Counter(dict.fromkeys(trials, 1))
    assert len(trials) == len({trial.id for trial in trials}) == size * len(variants) * one.repeats
    counts: Counter[Variant] = Counter(dict.fromkeys(variants, 0))
    for trial in trials:
        counts[trial.variant] += 1
        assert max(counts.values()) - min(counts.values()) <= BLOCK


@given(grid=GRIDS, sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_variants_are_paired_within_each_dataset(grid: dict[str, Any], sizes: tuple[int, int]) -> None:
    agents = [{"dataset": "mail", "functions": ["Mail", "Terse"]}, {"dataset": "news", "functions": ["Mail"]}]
    one = suite(**grid, agents=agents)
    variants = variants_of(one)
    trials, *_ = select(one, variants, made_cases(mail=sizes[0], news=sizes[1]))
    for dataset, size in zip(("mail", "news"), sizes, strict=True):
        here = [variant for variant, datasets in variants.items() if dataset in datasets]
        counts: Counter[Variant] = Counter(dict.fromkeys(here, 0))
        for trial in trials:
            if trial.dataset == dataset:
                counts[trial.variant] += 1
                assert max(counts.values()) - min(counts.values()) <= BLOCK
        assert counts == dict.fromkeys(here, size * one.repeats)


def test_in_a_block_the_variants_follow_each_other_and_take_turns_in_going_first() -> None:
    one = suite(formats=["xml"], outputs=["prompted", "native", "tool"], repeats=2)
    trials, *_ = select(one, variants_of(one), made_cases(mail=4 * BLOCK))
    blocks = [trials[start : start + BLOCK * 6] for start in range(0, len(trials), BLOCK * 6)]
    firsts = []
    for block in blocks:
        assert len({trial.case for trial in block}) == BLOCK
        runs = [block[start : start + BLOCK] for start in range(0, len(block), BLOCK)]
        assert all(len({(trial.variant, trial.repeat) for trial in run}) == 1 for run in runs)
        assert [[trial.case for trial in run] for run in runs] == [[trial.case for trial in runs[0]]] * 6
        assert [run[0].repeat for run in runs] == [0, 0, 0, 1, 1, 1]
        firsts.append(block[0].variant.output)
    assert firsts == ["prompted", "native", "tool", "prompted"]


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    def order(seed: int) -> list[str]:
        one = suite(seed=seed)
        return [trial.id for trial in select(one, variants_of(one), made_cases(mail=20))[0]]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))


@given(
    groups=st.lists(st.tuples(st.sampled_from(["mail", "news"]), st.integers(1, 20)), min_size=1, max_size=30),
    grid=GRIDS,
    limit=st.none() | st.integers(1, 60),
    expression=st.sampled_from([None, "xml", "not 3"]),
    logged=st.sampled_from([0, 2, 3]),
)
def test_groups_are_asked_whole_in_an_order_that_mixes_datasets(
    groups: list[tuple[str, int]], grid: dict[str, Any], limit: int | None, expression: str | None, logged: int
) -> None:
    strength = {number: "logged" if logged and not number % logged else "written" for number in range(len(groups))}
    cases: dict[str, dict[str, CaseNote]] = {dataset: {} for dataset in dict.fromkeys(dataset for dataset, _ in groups)}
    for number, (dataset, size) in enumerate(groups):
        for turn in range(size):
            name = f"g{number}-{turn}"
            made = Case.model_validate(case(name, group=f"g{number}", turn=size - turn, strength=strength[number]))
            cases[dataset][name] = made.note
    one = suite(**grid, agents=[{"dataset": dataset, "functions": ["Mail"]} for dataset in cases])
    variants = variants_of(one)
    try:
        trials, _, blocks = select(one, variants, cases, Selection(cases=limit, select=expression))
    except SuiteError:
        assert expression == "not 3"
        return
    order = [group for block in blocks for group in block]
    asked: dict[tuple[str, str], dict[str, int]] = {}
    for trial in trials:
        found = cases[trial.dataset][trial.case]
        asked.setdefault((trial.dataset, found.group or trial.case), {})[trial.case] = found.turn or 0
    assert sorted(order) == sorted(asked)
    for listed in asked.values():
        assert list(listed.values()) == sorted(listed.values())
    # all trials of a block come before those of the next, and a block is no larger than it has to be
    place = {group: number for number, block in enumerate(blocks) for group in block}
    numbers = [place[trial.dataset, cases[trial.dataset][trial.case].group or trial.case] for trial in trials]
    assert numbers == sorted(numbers)
    sizes = [[len(asked[group]) for group in block] for block in blocks]
    assert all(sum(block) >= BLOCK for block in sizes[:-1])
    assert all(sum(block[:-1]) < BLOCK for block in sizes)
    # of each kind of labels: while every dataset has groups left, each has as many of the first ones as the smallest has in all
    for kind in ("written", "logged"):
        part = [dataset for dataset, name in order if strength[int(name[1:])] == kind]
        counts = Counter(part)
        smallest = min(counts.values(), default=0)
        assert Counter(part[: smallest * len(counts)]) == dict.fromkeys(counts, smallest)


def test_what_comes_first_does_not_depend_on_sizes_or_datasets() -> None:
    sizes = {"short": 1, "long": 13}
    first: Counter[tuple[str, str]] = Counter()
    cases = {
        dataset: {
            f"{name}-{number}-{turn}": Case.model_validate(case(f"{name}-{number}-{turn}", group=f"{name}-{number}")).note
            for name, size in sizes.items()
            for number in range(3 if dataset == "mail" else 30)
            for turn in range(size)
        }
        for dataset in ("mail", "news")
    }
    for seed in range(400):
        one = suite(formats=["xml"], outputs=["prompted"], agents=TWO, seed=seed)
        dataset, name = select(one, variants_of(one), cases).blocks[0][0]
        first[dataset, name.partition("-")[0]] += 1
    assert all(60 <= count <= 140 for count in first.values()), first


# ---------------------------------------------------------------------------------------------- narrowing

TWO = [{"dataset": "mail", "functions": ["Mail"]}, {"dataset": "news", "functions": ["Mail"]}]


@pytest.mark.parametrize(("limit", "mail", "news"), [(1, None, None), (2, 1, 1), (6, 3, 3), (10, 5, 5), (15, 5, 10), (29, 5, 24)])
def test_a_limit_takes_cases_and_spreads_them_over_datasets(limit: int, mail: int | None, news: int | None) -> None:
    one = suite(agents=TWO, repeats=2)
    variants = variants_of(one)
    trials, partial, _ = select(one, variants, made_cases(mail=5, news=25), Selection(cases=limit))
    chosen = {(trial.dataset, trial.case) for trial in trials}
    assert partial == f"-n {limit}"
    assert len(chosen) == limit
    assert len(trials) == limit * len(variants) * 2
    if mail is not None:
        assert Counter(dataset for dataset, _ in chosen) == {"mail": mail, "news": news}


def test_a_smaller_sample_is_a_part_of_a_larger_one() -> None:
    one = suite(agents=TWO)
    sizes = [
        {trial.case for trial in select(one, variants_of(one), made_cases(mail=9, news=9), Selection(cases=limit))[0]}
        for limit in (4, 8, 12)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("limit", [30, 31, 1000])
def test_a_limit_that_leaves_all_is_no_part(limit: int) -> None:
    one = suite(agents=TWO)
    cases = made_cases(mail=5, news=25)
    assert select(one, variants_of(one), cases, Selection(cases=limit)) == select(one, variants_of(one), cases, Selection())


def test_an_expression_looks_at_ids_and_tags() -> None:
    one = suite(formats=["xml", "messages_text"], outputs=["prompted", "native"])
    cases = made_cases(mail=12)
    trials, partial, _ = select(one, variants_of(one), cases, Selection(select="tag7 and xml and not native"))
    assert [trial.id for trial in trials] == ["mail::mail-7[Mail,none,xml,prompted,gpt]#0"]
    assert partial == "-k 'tag7 and xml and not native'"
    both = select(one, variants_of(one), cases, Selection(select="prompted", cases=2))
    assert len(both[0]) == 4
    assert both[1] == "-n 2 -k 'prompted'"


def test_an_expression_that_selects_nothing_shows_an_id() -> None:
    one = suite(formats=["xml"], outputs=["prompted"])
    with pytest.raises(SuiteError) as error:
        select(one, variants_of(one), made_cases(mail=1), Selection(select="nothing"))
    assert str(error.value) == "-k 'nothing' selects no trial; ids look like mail::mail-0[Mail,none,xml,prompted,gpt]#0"
    with pytest.raises(SuiteError, match=r"^-k 'a and': a word was expected at the end$"):
        select(one, variants_of(one), made_cases(mail=1), Selection(select="a and"))


@given(
    sizes=st.tuples(st.integers(20, 40), st.integers(20, 40)),
    of=st.integers(1, 5),
    limit=st.none() | st.integers(5 * BLOCK, 60),
    expression=st.sampled_from([None, "xml", "not tag7"]),
)
def test_shards_share_out_whole_blocks_in_the_order_of_all(
    sizes: tuple[int, int], of: int, limit: int | None, expression: str | None
) -> None:
    one = suite(agents=TWO, formats=["xml", "messages_text"], outputs=["prompted", "native"], repeats=2)
    variants, cases = variants_of(one), made_cases(mail=sizes[0], news=sizes[1])

    def chosen(shard: str | None) -> Selected:
        return select(one, variants, cases, Selection(select=expression, cases=limit, shard=shard))

    whole, partial, blocks = chosen(None)
    shares = [chosen(f"{i}/{of}") for i in range(1, of + 1)]
    owner = {trial: i for i, share in enumerate(shares) for trial in share.trials}
    assert set(owner) == set(whole)
    for i, share in enumerate(shares):
        assert share == (tuple(trial for trial in whole if owner[trial] == i), partial, blocks[i::of])
    owners = {(trial.dataset, trial.case, i) for trial, i in owner.items()}
    assert len(owners) == len({(trial.dataset, trial.case) for trial in whole})


def test_shards_are_about_equal() -> None:
    one = suite(formats=["xml"], outputs=["prompted"])
    sizes = [len(select(one, variants_of(one), made_cases(mail=100), Selection(shard=f"{i}/4"))[0]) for i in range(1, 5)]
    assert sum(sizes) == 100
    assert max(sizes) - min(sizes) <= BLOCK
