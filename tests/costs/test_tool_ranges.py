"""Counts of tools that are ranges: what is shown of them, what isn't compared, and what they cost."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import phrasing
from phrasing.cli import main
from phrasing.cli.common import MISSED
from phrasing.costs import estimate, tables
from phrasing.costs.changes import token_changes
from phrasing.costs.decision_cost import cost_view
from phrasing.costs.prompt_cache import measure_prefixes
from phrasing.costs.token_totals import Counted, TokenTotals
from phrasing.models import prices
from phrasing.models.provider import tool_rule
from phrasing.plan.resolve import Plan
from phrasing.records import TokenCounts
from phrasing.runs import run_folders, store
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.tokenizers.tool_rules import LLAMA_CPP, QWEN, UNPUBLISHED, openai
from phrasing.types import Mode
from support.paths import REPOSITORY
from support.tiny_runs import cache, case, commit, obey, planned, world

__all__ = ["cache"]

O200K = "o200k_base"
OUTPUTS = list(get_args(Mode))
PRICED = {"prompt": 1.0, "completion": 2.0}
MINE = {"id": "openai/mine", "api_base": "http://127.0.0.1:9", "price": PRICED}


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["tokens", *arguments], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


# ---------------------------------------------------------------------------------------------- ratios

pairs = st.lists(
    st.tuples(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from("xyz") | st.none()), min_size=2, max_size=8
)


def tally(
    listed: list[tuple[int, int, str | None]], least: int, spread: int, *, offered: tuple[str, str] = ("t", "t")
) -> TokenTotals:
    made = TokenTotals({"a": "b"})
    for mine, theirs, cluster in listed:
        counted = {
            (name, O200K): Counted(TokenCounts(thread=thread, schema_=least, spread=spread), 0, offered=tools)
            for name, thread, tools in (("a", mine, offered[0]), ("b", theirs, offered[1]))
        }
        made.add(counted, cluster=cluster, events=1)
    return made


@given(pairs, st.integers(0, 500), st.integers(1, 2000), st.floats(0, 1))
def test_wherever_in_its_range_the_tools_are_the_ratio_is_between_the_ends(
    listed: list[tuple[int, int, str | None]], least: int, spread: int, share: float
) -> None:
    found = tally(listed, least, spread).ratio(("a", O200K))
    true = tally(listed, least + round(share * spread), 0).ratio(("a", O200K))
    assert found is not None
    assert true is not None
    assert found.other is not None
    low, high = sorted((found.value, found.other))
    assert low - 1e-12 <= true.value <= high + 1e-12
    if found.low == found.low:  # two clusters at least
        assert found.low <= low
        assert high <= found.high


@given(pairs, st.integers(0, 500), st.integers(1, 2000))
def test_ranges_of_other_tools_have_no_ratio(listed: list[tuple[int, int, str | None]], least: int, spread: int) -> None:
    one = tally(listed, least, spread, offered=("t", "u"))
    assert one.unlike(("a", O200K))
    assert one.ratio(("a", O200K)) is None
    merged = TokenTotals({"a": "b"})
    merged.merge(tally(listed, least, spread))
    assert merged.ratio(("a", O200K)) is not None
    merged.merge(one)
    assert merged.ratio(("a", O200K)) is None
    # counts that aren't ranges compare whatever is offered
    assert tally(listed, least, 0, offered=("t", "u")).ratio(("a", O200K)) is not None


def ratios(plan: Plan) -> dict[str, bool]:
    """Whether the variants of a plan have a ratio to the baseline, by output."""
    counting = estimate.by_rule(plan, [plan.tokenizer])
    made = estimate.measure(plan, counting)
    columns = [column for column in made.columns if column[0].split(",")[2] == "tags"]
    return {variant.split(",")[3]: made.ratio((variant, name)) is not None for variant, name in columns}


@pytest.mark.parametrize(
    ("model", "compared"),
    [
        ("local/qwen2.5-coder-0.5b", {"prompted", "native", "native_bare", "tool", "tool_auto"}),
        ("local/other.gguf", {"prompted", "native", "native_bare"}),
        ("openai/gpt-4o", {"prompted"}),
        ("openai/gpt-4.1-mini", {"prompted"}),
        ("anthropic/claude-sonnet-4-5", {"prompted"}),
        ("gemini/gemini-2.5-pro", {"prompted"}),
        (MINE, {"prompted"}),
    ],
    ids=["qwen", "a file", "gpt-4o", "gpt-4.1", "claude", "gemini", "an address"],
)
def test_only_counts_of_one_kind_are_compared(tmp_path: Path, model: Any, compared: set[str]) -> None:
    text = [{"dataset": "mail", "functions": ["DetermineNextStepMail"], "text": "ask"}]
    shared = {"agents": text, "outputs": OUTPUTS, "models": [model]}
    plan = planned(tmp_path, baseline={"output": "prompted", "format": "lines"}, **shared)
    assert {output for output, found in ratios(plan).items() if found} == compared
    # formats compare under every output, because both sides offer the same
    assert set(ratios(planned(tmp_path, baseline={"format": "lines"}, **shared)).values()) == {True}


def test_where_there_is_no_ratio_a_line_says_why(tmp_path: Path) -> None:
    suite = world(tmp_path, outputs=["prompted", "tool", "native"], baseline={"output": "prompted"}, models=["openai/gpt-4o"])
    out = run(str(suite))
    assert max(map(len, out.splitlines())) <= 80
    assert tables.UNLIKE in out.splitlines()
    assert "×" not in out
    assert re.search(r"^lines tool +.* [\d,]+\.\d–[\d,]+\.\d$", out, re.MULTILINE)
    assert "a–b: a range; it isn't known how the provider shows tools" in out
    assert "Tools (OpenAI's gpt-4o): they count by the rule that OpenAI publishes" in out
    for by in ("event", "case", "length", "turn", "model"):
        assert max(map(len, run(str(suite), "--by", by).splitlines())) <= 80


def test_without_tools_nothing_is_said_of_them(tmp_path: Path) -> None:
    out = run(str(world(tmp_path, models=["openai/gpt-4o", "anthropic/claude-sonnet-4-5"])))
    assert "Tools" not in out
    assert "range" not in out
    assert out.count("ratio (95 %)") == 1


def test_models_that_are_shown_tools_otherwise_have_tables_of_their_own(tmp_path: Path) -> None:
    suite = world(tmp_path, outputs=["tool"], models=["openai/gpt-4o", "openai/gpt-4o-mini", "local/qwen2.5-coder-0.5b"])
    file = tmp_path / "out.csv"
    out = run(str(suite), "-o", str(file))
    assert {"o200k_base, tools: OpenAI's gpt-4o", "o200k_base, tools: Qwen2.5"} <= set(out.splitlines())
    assert out.count("Tools (") == 2
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["tokenizer"], row["spread"] == "0") for row in rows[::2]] == [
        ("o200k_base, tools: OpenAI's gpt-4o", False),
        ("o200k_base, tools: Qwen2.5", True),
    ]


# ---------------------------------------------------------------------------------------------- the shipped suite

OUTPUTS_SUITE = REPOSITORY / "evals" / "outputs.yaml"


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


@pytest.mark.usefixtures("at_home")
def test_output_modes_have_the_ratios_that_the_server_counted() -> None:
    results = store.results(REPOSITORY / run_folders.RECORDINGS / "outputs")
    usage: dict[tuple[str, str], list[int]] = {}
    for result in results.values():
        assert result.completion is not None
        assert result.completion.usage.prompt is not None
        usage.setdefault((result.dataset, result.output), []).append(result.completion.usage.prompt)
    out = run(str(OUTPUTS_SUITE))
    for agent in ("weather", "calculator"):
        for output in ("native", "native_bare", "tool"):
            printed = re.search(rf"^{agent.title()} {output} .* ×(\S+) \(", out, re.MULTILINE)
            assert printed
            theirs = sum(usage[agent, output]) / sum(usage[agent, "prompted"])
            assert float(printed[1]) == pytest.approx(theirs, rel=0.04)


@pytest.mark.usefixtures("at_home")
def test_other_providers_have_no_ratio_across_output_modes() -> None:
    for model in ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "mistral/mistral-large-latest"):
        out = run(str(OUTPUTS_SUITE), "-m", model)
        assert "×" not in out
        assert tables.UNLIKE in out.splitlines()


# ---------------------------------------------------------------------------------------------- prices


def test_prices_follow_the_range(tmp_path: Path) -> None:
    plan = planned(tmp_path, outputs=["prompted", "tool"], models=[MINE], params={"max_tokens": 10})
    view = cost_view(plan, [open_tokenizer(O200K)], ",".join, answered={}, recorded="")
    tokenizer = plan.tokenizers["mine"]
    counts = estimate.count(plan, tokenizer)
    for row in view.records:
        found = list(counts[row["function"], row["edit"], row["format"], row["output"]].values())  # type: ignore[index]
        for name, total in (("dollars", sum(c.total for c in found)), ("dollars_most", sum(c.most for c in found))):
            assert row[name] == pytest.approx(total / len(found) / 1e6)
        assert (row["dollars"] == row["dollars_most"]) == (row["output"] == "prompted")
    assert sum("–" in row[1] for row in view.tables[0].rows) == 2


def test_a_dry_run_says_both_ends(tmp_path: Path) -> None:
    plan = planned(tmp_path, outputs=["prompted", "tool"], models=[MINE], params={"max_tokens": 10})
    (line,) = estimate.estimate(plan)
    found = re.fullmatch(r"mine: 24 calls, about (\S+) to (\S+) prompt tokens by o200k_base, \$(\S+) to \$(\S+) \(.*\)", line)
    assert found
    counts = [count for cases in estimate.count(plan).values() for count in cases.values()]
    ends = [sum(count.total for count in counts), sum(count.most for count in counts)]
    assert [int(end.replace(",", "")) for end in found.groups()[:2]] == ends
    for end, price in zip(ends, found.groups()[2:], strict=True):
        known = prices.stated(plan.models["mine"])
        assert known is not None
        assert float(price) == pytest.approx(prices.dollars(known, prompt=end, completion=240), abs=1e-4)


def test_what_a_cache_keeps_has_the_tools_at_both_ends(tmp_path: Path) -> None:
    talk = [case("a-1", group="a"), case("a-2", group="a"), case("b-1")]
    talk[1]["thread"] = {"events": [*talk[0]["thread"]["events"], *talk[1]["thread"]["events"]]}
    plan = planned(tmp_path, cases=talk, outputs=["tool"], models=[MINE], formats=["lines"])
    (found,) = measure_prefixes(plan, plan.tokenizers["mine"]).values()
    (spread,) = {sent.spread for sent in found.prompts}
    assert spread > 0
    assert found.common is not None
    assert found.most.common == found.common + spread
    for least, most in zip(found.prompts, found.most.prompts, strict=True):
        assert (most.tokens, most.after) == (least.tokens + spread, least.after)
        assert most.kept == (None if least.kept is None else least.kept + spread)


# ---------------------------------------------------------------------------------------------- then and now


def edit(root: Path, was: str, now: str) -> None:
    path = root / "baml_src" / "mail.baml"
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, now))


def resolved(suite: Path) -> Plan:
    return phrasing.resolve(phrasing.load_suite(suite))


def test_prompts_with_the_same_tools_compare_at_both_ends(tmp_path: Path) -> None:
    suite = world(tmp_path, outputs=["tool"], models=[MINE])
    commit(tmp_path, "v1")
    edit(tmp_path, "You send mail for a person.", "You send mail for a person, and for nobody else in the world.")
    for change in token_changes(resolved(suite), "v1"):
        assert change.why is None
        assert change.spread > 0
        assert change.after - change.before == change.cases * 8
        assert 1 < change.other < change.ratio == change.after / change.before
    done = CliRunner().invoke(main, ["tokens", str(suite), "--against", "v1", "--max-ratio", "1.05"])
    assert done.exit_code == MISSED
    assert re.search(r"×1\.\d{3}–1\.\d{3}", done.output)


def test_tools_that_changed_do_not_compare_where_they_are_a_range(tmp_path: Path) -> None:
    for number, (model, known) in enumerate((("local/qwen2.5-coder-0.5b", True), (MINE, False))):
        root = tmp_path / str(number)
        suite = world(root, outputs=["prompted", "tool"], models=[model])
        commit(root, "v1")
        edit(root, "search the address book", "search the whole address book")
        changes = {change.variant: change for change in token_changes(resolved(suite), "v1")}
        for variant, change in changes.items():
            if known or ",prompted," in variant:
                assert change.why is None
                assert change.after == change.before + change.cases
            else:
                assert change.why == "its tools count as a range, and aren't those in v1"


def test_a_run_that_counted_otherwise_does_not_compare(tmp_path: Path) -> None:
    suite = world(tmp_path, outputs=["prompted", "tool"])
    done = phrasing.run(suite, complete=obey)
    assert done.record.tool_rules == {"scripted": UNPUBLISHED.name}
    assert all(change.why is None for change in token_changes(resolved(suite), str(done.folder)))
    old = done.record.model_copy(update={"tool_rules": {}})
    (done.folder / run_folders.RUN).write_text(old.model_dump_json(by_alias=True))
    for change in token_changes(resolved(suite), str(done.folder)):
        why = f"its tools are counted by another rule in {done.folder}" if ",tool," in change.variant else None
        assert change.why == why


# ---------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ({"id": "openai/gpt-4o"}, openai("gpt-4o")),
        ({"id": "openai/gpt-4o", "api_base": "http://127.0.0.1:9"}, UNPUBLISHED),
        ({"id": "azure/gpt-4o"}, UNPUBLISHED),
        ({"id": "openai/gpt-5"}, UNPUBLISHED),
        ({"id": "local/qwen2.5-coder-0.5b"}, QWEN),
        ({"id": "local/qwen2.5-coder-1.5b"}, QWEN),
        ({"id": "local/smollm2-135m"}, LLAMA_CPP),
        ({"id": "local/mine.gguf"}, LLAMA_CPP),
    ],
    ids=str,
)
def test_a_rule_is_the_providers(spec: dict[str, Any], rule: object) -> None:
    assert tool_rule(ModelSpec(**spec, label="x")) == rule


def test_a_run_counts_for_the_model_that_it_asks(tmp_path: Path) -> None:
    suite = world(tmp_path, outputs=["tool"], models=["openai/gpt-4o", "local/qwen2.5-coder-0.5b"])
    done = phrasing.run(suite, complete=obey)
    assert done.record.tool_rules == {"gpt-4o": "OpenAI's gpt-4o", "qwen2.5-coder-0.5b": "Qwen2.5"}
    plan = resolved(suite)
    for trial in plan.trials:
        rule = tool_rule(plan.models[trial.variant.model])
        counts = open_tokenizer(O200K).under(rule).count(plan.prompt(trial))
        assert done.results[trial.id].tokens == counts
        assert (counts.spread > 0) == (trial.variant.model == "gpt-4o")
