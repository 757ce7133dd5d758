"""How tools are shown: published examples, recorded usage, and what a range may leave out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.plan.resolve import Plan, resolve
from phrasing.records import Result
from phrasing.runs import run_folders, store
from phrasing.suite.file import load_suite
from phrasing.tokenizers import tool_rules
from phrasing.tokenizers.tokenizer import characters, count_text, open_tokenizer
from phrasing.tokenizers.tool_rules import LLAMA_CPP, MOST_AROUND, QWEN, UNPUBLISHED, ToolRule, anthropic, openai
from phrasing.types import Output, Piece, Prompt, Trial
from support.paths import REPOSITORY

RULES = [UNPUBLISHED, LLAMA_CPP, QWEN, openai("gpt-4o"), openai("gpt-4"), anthropic("claude-sonnet-4-5")]
Tool = dict[str, Any]


def tool(name: str, description: str | None = "Do it.", **properties: Any) -> Tool:
    described = {} if description is None else {"description": description}
    return {
        "type": "function",
        "function": {"name": name, **described, "parameters": {"type": "object", "properties": properties}},
    }


def prompt(*tools: Tool, said: tuple[tuple[str, str], ...] = (("user", "Hi"),), enforced: Tool | None = None) -> Prompt:
    messages = tuple({"role": role, "content": text} for role, text in said)
    pieces = tuple((Piece("thread", text),) for _, text in said)
    return Prompt(messages, pieces, tools or None, enforced)


def schema_of(rule: ToolRule, *tools: Tool, tokenizer: str = "o200k_base") -> tuple[int, int]:
    """The least and the most tokens that tools add."""
    counts = open_tokenizer(tokenizer).under(rule).count(prompt(*tools))
    return counts.schema_, counts.schema_ + counts.spread


# ---------------------------------------------------------------------------------------------- OpenAI

PLACE = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
UNIT = {"type": "string", "description": "The unit of temperature to return", "enum": ["celsius", "fahrenheit"]}
WEATHER = tool("get_current_weather", "Get the current weather in a given location", location=PLACE, unit=UNIT)


@pytest.mark.parametrize(
    ("model", "tokenizer", "usage"),
    [("gpt-4o", "o200k_base", 101), ("gpt-4o-mini", "o200k_base", 101), ("gpt-4", "cl100k_base", 105)],
)
def test_the_example_that_openai_publishes_with_its_usage(model: str, tokenizer: str, usage: int) -> None:
    # https://github.com/openai/openai-cookbook, "How to count tokens with tiktoken", section 7: what the API counted
    system = "You are a helpful assistant that can answer to questions about the weather."
    asked = prompt(WEATHER, said=(("system", system), ("user", "What's the weather like in San Francisco?")))
    counts = open_tokenizer(tokenizer).under(openai(model)).count(asked)
    assert (counts.total, counts.spread) == (usage, 0)


def test_openais_numbers_by_hand() -> None:
    rule, words = openai("gpt-4o"), count_text
    bare = tool("ask", "Ask a person.")
    assert schema_of(rule, bare) == (12 + 7 + words("ask:Ask a person"),) * 2
    age = {"type": "integer", "description": "In years."}
    assert (
        schema_of(rule, tool("ask", "Ask", age=age)) == (12 + 7 + words("ask:Ask") + 3 + 3 + words("age:integer:In years"),) * 2
    )
    kind = {"type": "string", "description": "Which", "enum": ["a", "b"]}
    of_kind = 3 - 3 + 2 * 3 + words("a") + words("b") + words("kind:string:Which")
    assert schema_of(rule, tool("ask", "Ask", kind=kind)) == (12 + 7 + words("ask:Ask") + 3 + of_kind,) * 2
    # the last number is added once for all functions
    assert schema_of(rule, bare, bare)[0] == 2 * schema_of(rule, bare)[0] - 12


@pytest.mark.parametrize(
    "uncovered",
    [
        tool("ask", None),
        tool("ask", x={"type": "string"}),
        tool("ask", x={"description": "no type"}),
        tool("ask", x={"type": ["string", "null"], "description": "two types"}),
        tool("ask", x={"anyOf": [{"type": "string"}, {"type": "null"}], "description": "a union"}),
        tool("ask", x={"type": "array", "items": {"type": "string"}, "description": "a list"}),
        tool("ask", x={"type": "object", "properties": {}, "description": "an object"}),
        tool("ask", x={"type": "integer", "enum": [1, 2], "description": "numbers"}),
        tool("ask", x={"type": "string", "minLength": 2, "description": "another key"}),
        {"type": "function", "function": {"name": "ask", "description": "no parameters"}},
        {"type": "function", "function": {"name": "ask", "description": "x", "parameters": {"properties": {}, "$defs": {}}}},
    ],
)
def test_what_openais_rule_doesnt_cover_is_a_range(uncovered: Tool) -> None:
    rule = openai("gpt-4o")
    low, high = schema_of(rule, uncovered)
    assert low < high
    # beside a covered one, only it is uncertain
    both = schema_of(rule, WEATHER, uncovered)
    assert both[1] - both[0] == high - low
    assert both[0] - low == schema_of(rule, WEATHER)[0] - 12


def test_rules_are_for_the_models_that_their_publishers_name() -> None:
    for name in ("gpt-4o", "gpt-4o-mini", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"):
        assert openai(name) == openai("gpt-4o")
    for name in ("gpt-4", "gpt-4-0613", "gpt-3.5-turbo", "gpt-3.5-turbo-0125"):
        assert openai(name) == openai("gpt-4")
    assert openai("gpt-4o") != openai("gpt-4")
    for name in ("gpt-4.1-mini", "gpt-5", "o3", "gpt-4-turbo", "gpt-4o-audio-preview", "mine"):
        assert openai(name) == UNPUBLISHED
    for name in ("claude-opus-4-5", "claude-opus-4-5-20251101", "claude-3-5-haiku-latest", "claude-sonnet-4-0"):
        assert isinstance(anthropic(name), tool_rules.Anthropic)
    assert anthropic("claude-opus-4-5") == anthropic("claude-opus-4-5-20251101")
    assert anthropic("claude-sonnet-4-0") == anthropic("claude-sonnet-4-20250514") != anthropic("claude-sonnet-4-5")
    for name in ("claude-2", "claude-opus-9", "claude-opus-4-55", "opus-4-5", "mine"):
        assert anthropic(name) == UNPUBLISHED


def test_anthropics_table_frames_the_json() -> None:
    for name, (auto, forced) in {
        "claude-opus-4-8": (290, 410),
        "claude-opus-4-7": (675, 804),
        "claude-haiku-4-5": (496, 588),
    }.items():
        low, high = schema_of(anthropic(name), WEATHER)
        compact = count_text(json.dumps(WEATHER, separators=(",", ":")))
        assert auto < low < auto + compact < forced + compact < high


# ---------------------------------------------------------------------------------------------- ranges

words = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=20)
leaves = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "boolean"])},
    optional={"description": words, "enum": st.lists(words, max_size=3)},
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.builds(lambda held: {"anyOf": held}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda held: {"type": "object", "properties": held}, st.dictionaries(words, inner, max_size=3))
    ),
    max_leaves=6,
)
tools = st.lists(
    st.builds(lambda name, text, held: tool(name, text, **held), words, words | st.none(), st.dictionaries(words, nested)),
    max_size=3,
)


@given(tools, st.sampled_from(RULES), nested | st.none())
def test_a_count_is_that_of_its_tokens_and_a_range_has_two_ends(
    listed: list[Tool], rule: ToolRule, enforced: Tool | None
) -> None:
    form = enforced and {"type": "json_schema", "json_schema": {"name": "next_step", "schema": enforced}}
    sent, tokenizer = prompt(*listed, enforced=form), open_tokenizer("o200k_base").under(rule)
    counts, read = tokenizer.count(sent), tokenizer.tokenize(sent)
    assert (read.counts, len(read.ids)) == (counts, counts.total)
    assert counts.spread >= 0
    bare = tokenizer.count(prompt())
    assert (counts.thread, counts.framing) == (bare.thread, bare.framing)
    if not listed and not form:
        assert counts == bare
    assert characters(sent) >= characters(prompt())


@given(tools.filter(bool))
def test_a_range_holds_any_json_of_the_tools(listed: list[Tool]) -> None:
    low, high = schema_of(UNPUBLISHED, *listed)
    for separators, indent in (((",", ":"), None), ((", ", ": "), None), ((",", ": "), 2)):
        written = sum(count_text(json.dumps(one, ensure_ascii=False, separators=separators, indent=indent)) for one in listed)
        assert low <= written <= high
        assert written + MOST_AROUND <= high or indent is None


def test_an_enforced_schema_is_a_range_but_where_it_is_known_not_to_be_shown() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "next_step", "schema": {"type": "object"}}}
    for rule in RULES:
        counts = open_tokenizer("o200k_base").under(rule).count(prompt(enforced=form))
        assert counts.schema_ == 0
        assert (counts.spread == 0) == (rule in (LLAMA_CPP, QWEN))


# ---------------------------------------------------------------------------------------------- recorded usage

TOLERANCE = 0.02
"""By how much of the usage our count may be off: o200k_base isn't the model's vocabulary, and framing is an estimate."""


def recorded(name: str) -> tuple[Plan, list[tuple[Trial, Result]]]:
    """A suite, and what was recorded of its trials."""
    plan = resolve(load_suite(REPOSITORY / "evals" / f"{name}.yaml"))
    results = store.results(REPOSITORY / run_folders.RECORDINGS / name)
    return plan, [(trial, results[trial.id]) for trial in plan.trials]


def usage(result: Result) -> int:
    assert result.completion is not None
    assert result.completion.usage.prompt is not None
    return result.completion.usage.prompt


@pytest.mark.parametrize(("name", "least"), [("outputs", 40), ("formats", 128), ("human", 96)])
def test_tools_count_as_the_server_counted_them(name: str, least: int) -> None:
    plan, pairs = recorded(name)
    seen = 0
    for trial, result in pairs:
        if not plan.prompt(trial).tools:
            continue
        sent, theirs = plan.prompt(trial), usage(result)
        ours = plan.tokenizers[trial.variant.model].count(sent)
        assert ours.spread == 0
        assert abs(ours.total - theirs) <= TOLERANCE * theirs, trial.id
        # and were the template unknown, the range would hold the usage
        unknown = plan.tokenizer.under(LLAMA_CPP).count(sent)
        assert unknown.total <= theirs <= unknown.most, trial.id
        seen += 1
    assert seen >= least


def test_what_an_output_mode_adds_is_what_the_server_counted() -> None:
    plan, pairs = recorded("outputs")
    of: dict[tuple[str, str], dict[Output, tuple[int, int]]] = {}
    for trial, result in pairs:
        ours = plan.tokenizers[trial.variant.model].count(plan.prompt(trial)).total
        of.setdefault((trial.dataset, trial.case), {})[trial.variant.output] = (ours, usage(result))
    assert len(of) == 40
    for modes in of.values():
        assert modes["native"] == modes["prompted"]  # an enforced schema isn't shown
        for mode in ("native_bare", "tool"):
            ours, theirs = (modes[mode][i] - modes["prompted"][i] for i in (0, 1))  # type: ignore[index]
            assert abs(ours - theirs) <= 0.03 * abs(theirs)
