"""What decisions cost: sums by hand, and what a cache can and can't save."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from phrasing.costs import Cost, answers, cells, cost, costs, records, tables, unpriced
from phrasing.prefixes import Prefixes, Sent, measure
from phrasing.prices import Price
from phrasing.suite import ModelSpec
from phrasing.tokens import open_tokenizer
from phrasing.types import Completion, Usage
from projects import cache, case, event, resolve
from worlds import result

__all__ = ["cache"]

CHEAP = Price(prompt=1.0, cached=0.25, written=None, completion=4.0)
WRITES = Price(prompt=1.0, cached=0.1, written=1.25, completion=5.0)

FIRST, LATER, LAST = Sent(2000, 20), Sent(2600, 20, 2400, 2400), Sent(3000, 20, 2580, 2580)
TALK = Prefixes((FIRST, LATER, LAST), 1500)
ARM = ("Mail", "none", "json", "prompted")
CLAUDE, GPT, HERE = (ModelSpec(id=name, label=name) for name in ("anthropic/claude-x", "openai/gpt-4.1-mini", "local/tiny"))


def test_a_price_without_a_cache_is_that_of_the_tokens() -> None:
    made = cost(TALK, CHEAP, answer=50)
    assert made.dollars == pytest.approx((7600 / 3 * 1.0 + 50 * 4.0) / 1e6)
    assert (made.cases, made.prompt, made.answer) == (3, 7600 / 3, 50)


def test_a_first_prompt_finds_what_all_share_and_a_later_one_what_came_before() -> None:
    made = cost(TALK, CHEAP)
    assert made.cached == (1500 + 2400 + 2580) / 3
    assert made.with_cache == pytest.approx((1120 * 1.0 + 6480 * 0.25) / 3 / 1e6)


def test_what_is_found_counts_in_steps() -> None:
    assert cost(TALK, CHEAP, step=128).cached == (1408 + 2304 + 2560) / 3


@pytest.mark.parametrize(
    ("minimum", "found"),
    [(1024, 1500 + 2400 + 2580), (1500, 1500 + 2400 + 2580), (1501, 2400 + 2580), (2500, 2580), (4096, 0)],
)
def test_nothing_below_the_minimum_is_found(minimum: int, found: int) -> None:
    made = cost(TALK, CHEAP, minimum=minimum)
    assert made.cached == found / 3
    if not found:
        assert made.with_cache == made.dollars


def test_what_all_share_counts_where_it_is_more_than_what_was_kept() -> None:
    assert cost(Prefixes((Sent(2000, 20, 1100, 1200),), 1500), CHEAP).cached == 1500
    assert cost(Prefixes((Sent(2000, 20),), None), CHEAP).cached == 0


def test_what_is_written_has_a_price_of_its_own() -> None:
    made = cost(TALK, WRITES, answer=50)
    assert made.written == 1120 / 3
    assert made.prompt == pytest.approx(made.cached + made.written)
    assert made.with_cache == pytest.approx((1120 * 1.25 + 6480 * 0.1) / 3 / 1e6 + 50 * 5.0 / 1e6)


def test_what_is_too_short_is_not_written() -> None:
    made = cost(Prefixes((Sent(1000, 20), Sent(1300, 20)), 900), WRITES)
    assert (made.cached, made.written) == (0, 650)
    # writing what nobody finds costs more than no cache
    assert made.with_cache is not None
    assert made.with_cache > made.dollars


def test_without_a_price_for_cached_tokens_there_is_none_with_a_cache() -> None:
    made = cost(TALK, Price(prompt=1.0, cached=None, written=None, completion=4.0))
    assert made.with_cache is None
    assert cells(made)[-2:] == ("–", "–")


def test_answers_are_as_long_as_recorded() -> None:
    used = [Completion(usage=Usage(completion=n)) for n in (10, 30)]
    found = [*(result(f"c{i}", completion=answer) for i, answer in enumerate(used)), result("c2"), result("c3", completion=None)]
    assert list(answers(found).values()) == [20]


def test_models_without_a_price_are_named() -> None:
    unknown = ModelSpec(id="openai/no-such-model", label="mine")
    assert costs({ARM: TALK}, [HERE, unknown], {}) == {}
    assert list(unpriced([HERE, unknown, GPT])) == [
        "local/tiny: runs here, so a decision has no price. Price another model: -m openai/gpt-4.1-mini",
        "mine: the price isn't known; give it one in the suite.",
    ]


def test_answers_count_where_every_arm_has_some() -> None:
    other = (*ARM[:2], "xml_json", ARM[3])
    for answered, expected in (({ARM: 40.0}, None), ({ARM: 40.0, other: 40.0}, 40.0)):
        assert {row.answer for row in costs({ARM: TALK, other: TALK}, [GPT], answered).values()} == {expected}


def test_openai_counts_in_steps() -> None:
    ((_, made),) = costs({ARM: TALK}, [GPT], {}).items()
    assert made.cached == (1408 + 2304 + 2560) / 3


def test_a_table_a_model() -> None:
    other = (*ARM[:2], "xml_json", ARM[3])
    row = Cost(cases=3, prompt=1234.4, cached=1024, written=0, answer=20.4, dollars=0.0005, with_cache=0.0002)
    found = {(kind, model): row for model in ("gpt", "claude") for kind in (ARM, other)}
    first, second = tables(found, tokenizer="o200k_base", recorded="reports/reference/mail")
    shown = ("1,234", "1,024", "20", "0.500", "0.200", "60%")
    assert first == (
        ("gpt", "prompt", "cached", "answer", "$ per 1,000", "with cache", "saved"),
        [("json", *shown), ("xml_json", *shown)],
        [],
    )
    assert second[0][0] == "claude"
    assert "answers as long as those recorded in reports/reference/mail" in second[2][0]
    assert records(found, "o200k_base")[0] == {
        **{"function": "Mail", "edit": "none", "format": "json", "output": "prompted", "model": "gpt", "tokenizer": "o200k_base"},
        **asdict(row),
    }


def test_a_suite_is_priced_from_its_prompts(tmp_path: Path) -> None:
    long = event("note", {"text": "please write to Ann " * 300})
    talk: list[dict[str, Any]] = [case("one", long, group="g"), case("two", long, event("note", "now"), group="g"), case("other")]
    resolved = resolve(tmp_path, datasets={"mail": talk}, models=["openai/gpt-4.1-mini"])
    arms = measure(resolved, open_tokenizer("o200k_base"))
    for (kind, _), made in costs(arms, resolved.suite.models, {}).items():
        kept = max(sent.kept or 0 for sent in arms[kind].prompts)
        assert made.cached == (kept - kept % 128) / 3
        assert made.with_cache is not None
        assert made.with_cache < made.dollars
