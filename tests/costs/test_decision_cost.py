"""What decisions cost: sums by hand, and what a cache can and can't save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from phrasing.cli import main
from phrasing.costs.decision_cost import answers, cost, cost_cells, cost_view, unpriced
from phrasing.costs.estimate import Kind
from phrasing.costs.prompt_cache import Prefixes, Sent, measure_prefixes
from phrasing.costs.tables import View
from phrasing.models.prices import Price
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.types import Completion, Usage
from support.small_projects import cache, case, event, plan_of, project
from support.tiny_runs import result

__all__ = ["cache"]

CHEAP = Price(prompt=1.0, cached=0.25, written=None, completion=4.0)
WRITES = Price(prompt=1.0, cached=0.1, written=1.25, completion=5.0)

FIRST, LATER, LAST = Sent(2000, 20), Sent(2600, 20, 2400, 2400), Sent(3000, 20, 2580, 2580)
TALK = Prefixes((FIRST, LATER, LAST), 1500)
LONG = event("note", {"text": "please write to Ann " * 300})
CASES = [case("one", LONG, group="g"), case("two", LONG, event("note", "now"), group="g"), case("other")]


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
    made = cost(TALK, replace(CHEAP, minimum=minimum))
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
    assert cost_cells(made)[-2:] == ("–", "–")


def test_answers_are_as_long_as_recorded() -> None:
    used = [Completion(usage=Usage(completion=n)) for n in (10, 30)]
    found = [*(result(f"c{i}", completion=answer) for i, answer in enumerate(used)), result("c2"), result("c3", completion=None)]
    assert list(answers(found).values()) == [20]


def test_models_without_a_price_are_named() -> None:
    models = {"tiny": "local/tiny", "mine": "openai/no-such-model", "gpt": "openai/gpt-4.1-mini"}
    assert list(unpriced([ModelSpec(id=name, label=label) for label, name in models.items()])) == [
        "tiny: costs nothing to ask, so a decision has no price. Price another model: -m openai/gpt-4.1-mini",
        "mine: the price isn't known; give it one in the suite.",
    ]


# ---------------------------------------------------------------------------------------------- the view


def viewed(root: Path, *models: str, answered: Mapping[Kind, float] | None = None) -> View:
    resolved = plan_of(root, datasets={"mail": CASES}, models=list(models))
    tokenizers = [open_tokenizer("o200k_base")]
    return cost_view(resolved, tokenizers, ",".join, answered=answered or {}, recorded="reports/reference/mail")


def test_a_suite_is_priced_from_its_prompts(tmp_path: Path) -> None:
    found = viewed(tmp_path, "openai/gpt-4.1-mini", "anthropic/claude-haiku-4-5")
    variants = measure_prefixes(plan_of(tmp_path, datasets={"mail": CASES}), open_tokenizer("o200k_base"))
    assert [table.title for table in found.tables] == [
        "gpt-4.1-mini, which caches no less than 1,024 tokens",
        "claude-haiku-4-5, which caches no less than 4,096 tokens",
    ]
    assert [row["cached"] for row in found.records[2:]] == [0, 0]
    for row, (kind, variant) in zip(found.records, variants.items(), strict=False):
        assert (row["format"], row["cases"]) == (kind[2], 3)
        kept = max(sent.kept or 0 for sent in variant.prompts)
        assert row["cached"] == (kept - kept % 128) / 3  # as OpenAI counts
        prompt, cached = sum(sent.tokens for sent in variant.prompts) / 3, kept - kept % 128
        assert row["dollars"] == pytest.approx(prompt * 0.4e-6)
        assert row["with_cache"] == pytest.approx(prompt * 0.4e-6 - cached / 3 * 0.3e-6)


def test_answers_count_where_every_variant_has_some(tmp_path: Path) -> None:
    kinds = [("Mail", "none", name, "prompted") for name in ("json", "xml_json")]
    for answered, expected in (({kinds[0]: 40.0}, None), (dict.fromkeys(kinds, 40.0), 40.0)):
        found = viewed(tmp_path, "openai/gpt-4.1-mini", answered=answered)
        assert {row["answer"] for row in found.records} == {expected}
        assert ("reports/reference/mail" in found.notes[-1]) == (expected is not None)


def test_models_that_run_here_have_no_table(tmp_path: Path) -> None:
    found = viewed(tmp_path, "local/tiny")
    assert (found.tables, found.records, len(found.notes)) == ([], [], 1)


def test_any_model_can_be_priced_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    suite = project(tmp_path, datasets={"mail": CASES}, models=["local/tiny"]).path
    done = CliRunner().invoke(main, ["tokens", str(suite), "--by", "model", "-m", "openai/gpt-4.1-mini"])
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    lines = done.output.splitlines()
    assert lines[:3] == ["function Mail, output prompted", "", "gpt-4.1-mini, which caches no less than 1,024 tokens"]
    assert lines[3].split() == ["variant", "prompt", "cached", "answer", "$", "per", "1,000", "with", "cache", "saved"]
    assert lines[4].split()[0] == "json"
    assert "for prompts alone: not every variant has recorded answers" in " ".join(done.output.split())
