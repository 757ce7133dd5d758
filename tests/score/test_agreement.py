"""Two readers: kappa is Cohen's, a case with several steps is agreed on by its own rule, and gold needs a second label."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import DatasetError
from phrasing.score.agreement import agreement, agrees, kappa, second_labels, ungrounded
from phrasing.suite import dataset
from phrasing.types import Case, SecondLabel

STEPS = ("ask", "send", "stop")


def case(name: str, *expect: str, **more: Any) -> Case:
    steps = [{"intent": step} for step in expect]
    return Case.model_validate({"id": name, "thread": {"events": [{"type": "note"}]}, "expect": steps, **more})


def second(**steps: str) -> dict[str, SecondLabel]:
    return {name: SecondLabel(id=name, intent=step) for name, step in steps.items()}


readings = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(STEPS)), min_size=1, max_size=30)


@pytest.mark.slow  # importing statsmodels takes seconds
@given(readings)
def test_kappa_is_that_of_statsmodels(pairs: list[tuple[str, str]]) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    table = [[sum(pair == (one, other) for pair in pairs) for other in STEPS] for one in STEPS]
    mine = kappa(*zip(*pairs, strict=True))
    if len(set(pairs)) == 1 and pairs[0][0] == pairs[0][1]:
        assert math.isnan(mine)  # one category: no frequency to agree beyond
    else:
        assert mine == pytest.approx(cohens_kappa(table, return_results=False))


@given(readings, st.permutations(STEPS), st.randoms())
def test_names_order_and_who_is_first_dont_matter(pairs: list[tuple[str, str]], names: list[str], random: Any) -> None:
    renamed = [tuple(names[STEPS.index(step)] for step in pair) for pair in pairs]
    random.shuffle(renamed)
    one, other = zip(*renamed, strict=True)
    before = pytest.approx(kappa(*zip(*pairs, strict=True)), nan_ok=True)
    assert kappa(one, other) == before
    assert kappa(other, one) == before


def test_without_cases_there_is_no_kappa() -> None:
    assert math.isnan(kappa([], []))


def test_any_acceptable_step_agrees() -> None:
    cases = [case("a", "ask"), case("b", "send", "ask"), case("c", "send", "stop"), case("d", "stop"), case("unread", "ask")]
    found = agreement(cases, second(a="ask", b="ask", c="ask", d="ask"))
    assert (found.n, found.share, found.apart) == (4, 0.5, ("c", "d"))
    # b counts as ask, which the second reader took; c as send, its first label
    assert found.kappa.value == pytest.approx(kappa(["ask", "ask", "send", "stop"], ["ask"] * 4))
    assert (found.single.n, found.single.value) == (2, kappa(["ask", "stop"], ["ask", "ask"]))


def test_a_second_label_with_other_arguments_of_the_step_agrees() -> None:
    one = case("a", "ask").model_copy(update={"expect": case("x", "ask", "ask").expect})
    found = agreement([one], second(a="ask"))
    assert (found.share, found.single.n) == (1.0, 1)


def test_arguments_count_where_both_readers_name_them() -> None:
    tagged = Case.model_validate(
        {**case("a", "ask").model_dump(), "expect": [{"intent": "send", "args": {"to": "Ida", "cc": "Bo"}}, {"intent": "ask"}]}
    )
    for args, apart in (({"to": "Ida"}, ()), ({"to": "Udo"}, ("a",)), ({"text": "hello"}, ())):
        found = agreement([tagged], {"a": SecondLabel.model_validate({"id": "a", "intent": "send", "args": args})})
        assert found.apart == apart


def test_keys_of_an_object_count_where_both_readers_name_them() -> None:
    mail = {"to": "Ida", "subject": {"$regex": "(?i)rent"}, "copies": {"size": 2, "paper": "A4"}}
    nested = Case.model_validate({**case("a", "ask").model_dump(), "expect": [{"intent": "send", "args": {"mail": mail}}]})
    matched = Case.model_validate(
        {**case("a", "ask").model_dump(), "expect": [{"intent": "send", "args": {"mail": {"$any_of": [mail]}}}]}
    )
    for theirs, agreed in (
        ({"to": "Ida"}, True),
        ({"to": "Udo"}, False),
        ({"copies": {"size": 2}, "priority": "high"}, True),
        ({"copies": {"size": 3}}, False),
        ({"subject": "The rent", "copies": None}, False),
        ("a letter", False),
        (mail | {"subject": "Rent of May"}, True),
    ):
        label = SecondLabel.model_validate({"id": "a", "intent": "send", "args": {"mail": theirs}})
        assert agrees(nested, label) is agreed
    # a matcher is compared as a whole
    assert not agrees(matched, SecondLabel.model_validate({"id": "a", "intent": "send", "args": {"mail": {"to": "Ida"}}}))


def test_interval_lies_around_kappa_and_widens_where_cases_share_groups() -> None:
    theirs = second(**{f"c{i}": STEPS[i % 3] if i % 5 else "ask" for i in range(60)})
    alone = agreement([case(f"c{i}", STEPS[i % 3]) for i in range(60)], theirs).kappa
    assert alone.low < alone.value < alone.high < 1
    # the same cases, each conversation told in threes of a kind
    order = sorted(range(60), key=lambda i: i % 5)
    grouped = [case(f"c{i}", STEPS[i % 3], group=f"g{place // 6}") for place, i in enumerate(order)]
    together = agreement(grouped, theirs).kappa
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > alone.high - alone.low


def test_what_cant_be_known_is_nan() -> None:
    found = agreement([case("a", "ask", "send", group="g"), case("b", "stop", "ask", group="g")], second(a="ask", b="stop"))
    assert found.kappa.value == 1
    assert math.isnan(found.kappa.low)  # one conversation
    assert (found.single.n, math.isnan(found.single.value)) == (0, True)
    with pytest.raises(ValueError, match="no case has a second label"):
        agreement([case("a", "ask")], {})


def test_gold_needs_a_second_label_that_agrees() -> None:
    cases = [case(name, "ask", strength="gold") for name in ("agreed", "apart", "unread")] + [case("written", "ask")]
    assert ungrounded(cases, second(agreed="ask", apart="send", written="send")) == ["apart", "unread"]


# ---------------------------------------------------------------------------------------------- the file


def written(root: Path, *lines: dict[str, Any]) -> dataset.Dataset:
    (root / "second").mkdir()
    first = {"id": "a", "thread": {"events": [{"type": "note"}]}, "expect": [{"intent": "ask"}]}
    (root / "mail.jsonl").write_text(json.dumps(first) + "\n")
    (root / "second" / "mail.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return dataset.load(root / "mail.jsonl")


def test_second_labels_are_read_by_case(tmp_path: Path) -> None:
    first = written(tmp_path, {"id": "a", "intent": "send", "also": ["ask"]})
    assert second_labels(first, STEPS) == {"a": SecondLabel(id="a", intent="send", also=("ask",))}
    assert dataset.available(tmp_path).keys() == {"mail"}
    (tmp_path / "second" / "mail.jsonl").unlink()
    assert second_labels(first, STEPS) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "a", "intent": "sned"}, "intent 'sned' not found (did you mean 'send'?); there are: ask, send, stop"),
        ({"id": "a", "intent": "ask", "also": ["go"]}, "intent 'go' not found; there are: ask, send, stop"),
        ({"id": "b", "intent": "ask"}, "id: case 'b' not found"),
        ({"id": "a", "intnet": "ask"}, "intent: missing"),
        ({"id": "a", "intent": "ask", "expect": []}, "key 'expect' not found; there are: also, args, id, intent, labeller"),
        ({"id": "a", "intent": 3}, "intent: wanted text, got 3"),
    ],
    ids=["step", "also", "case", "missing", "key", "type"],
)
def test_a_mistake_names_file_and_line(tmp_path: Path, line: dict[str, Any], message: str) -> None:
    first = written(tmp_path, line)
    with pytest.raises(DatasetError) as error:
        second_labels(first, STEPS)
    assert str(error.value).replace(f"{tmp_path.as_posix()}/", "") == f"second/mail.jsonl:1: {message}"


def test_a_case_has_one_second_label(tmp_path: Path) -> None:
    first = written(tmp_path, {"id": "a", "intent": "ask"}, {"id": "a", "intent": "send"})
    with pytest.raises(DatasetError, match=r"mail\.jsonl:2: id 'a' is already used on line 1"):
        second_labels(first, STEPS)
