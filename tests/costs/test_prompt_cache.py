"""What a prompt cache can keep: exact on conversations made by hand, and no more than two prompts share."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from phrasing.cli import main
from phrasing.costs import prompt_cache
from phrasing.costs.prompt_cache import Prefixes, Sent, breaks, cache_cells, earlier, follow, means, measure_prefixes
from phrasing.plan.resolve import resolve
from phrasing.plan.selection import Selection
from phrasing.suite.file import load_suite
from phrasing.tokenizers.tokenizer import Tokenizer, open_tokenizer
from phrasing.types import Case, Event, Piece, Prompt, SegmentKind, StepMatch, Thread
from support.small_projects import SHIPPED, cache, case, event, plan_of, project, write

__all__ = ["cache"]


@functools.cache
def tokenizer() -> Tokenizer:
    return open_tokenizer("o200k_base")


ASKED = event("note", {"text": "write to Ann"})
LOOKED = [event("search", {"query": "ann"}), event("search_result", {"hits": [{"to": "ann@example.org"}]})]
SENT = [event("send", {"to": "ann@example.org"}), event("error", "mailbox full")]
TALK = [
    case("asked", ASKED, group="ann", turn=1),
    case("looked", ASKED, *LOOKED, group="ann", turn=2),
    case("sent", ASKED, *LOOKED, *SENT, group="ann", turn=3),
]
COUNTING = "{{ thread.events | length }} events\n{% for event in thread.events %}\n- {{ event | json }}\n{% endfor %}\n"
OTHER = case("other", event("note", {"text": "write to Bob"}), group="bob")


def sent(thread: str, *, instructions: str = "Send mail.\n", question: str = "\n\nWhat next?", **more: Any) -> Prompt:
    kinds: tuple[tuple[SegmentKind, str], ...] = (("instructions", instructions), ("thread", thread), ("question", question))
    pieces = tuple(Piece(kind, text) for kind, text in kinds if text)
    message = {"role": "user", "content": "".join(piece.text for piece in pieces)}
    return Prompt(messages=(message,), pieces=(pieces,), **more)


def hold(before: Prompt, after: Prompt) -> Sent:
    return follow(tokenizer().tokenize(before), tokenizer().tokenize(after))


def measured(tmp_path: Path, cases: list[dict[str, Any]], **changed: Any) -> dict[str, Prefixes]:
    """Measure a suite whose variants differ in edit and format."""
    write(tmp_path, {"formats/counting.j2": COUNTING})
    found = measure_prefixes(plan_of(tmp_path, datasets={"mail": cases}, **changed), tokenizer())
    return {" ".join(kind[1:3]).removeprefix("none "): variant for kind, variant in found.items()}


# ---------------------------------------------------------------------------------------------- conversations


def made(name: str, *types: str, **more: Any) -> Case:
    return Case(id=name, thread=Thread(events=tuple(Event(type=kind) for kind in types)), expect=(StepMatch(intent="x"),), **more)


def test_the_prompt_before_is_the_longest_beginning_in_its_group() -> None:
    talk = [made("c", "a", "b", "c", "d", group="g"), made("a", "a", group="g"), made("b", "a", "b", group="g")]
    assert earlier(talk) == {"c": "b", "b": "a"}


def test_cases_that_fork_follow_what_they_fork_from_whatever_their_turns() -> None:
    forked = [
        made("a", "a", group="g", turn=1),
        made("b", "a", "b", group="g", turn=2),
        made("c", "a", "c", group="g", turn=3),
        made("d", "d", group="g", turn=4),
    ]
    assert earlier(forked) == {"b": "a", "c": "a"}


def test_only_cases_of_a_group_follow_one_another() -> None:
    alone = [made("a", "a"), made("b", "a", "b"), made("c", "a", group="g"), made("d", "a", "b", group="h")]
    assert earlier(alone) == {}


def test_the_same_thread_twice_is_no_conversation() -> None:
    assert earlier([made("a", "a", group="g"), made("b", "a", group="g")]) == {}


# ---------------------------------------------------------------------------------------------- two prompts

EVENTS = ["<a>\nx: 1\n</a>", "<b>\nfor ever\n</b>", "<error>\nno\n</error>"]


def test_what_only_grows_is_kept_up_to_the_question() -> None:
    before, after = ("\n\n".join(EVENTS[:n]) for n in (2, 3))
    one, two = tokenizer().tokenize(sent(before)), tokenizer().tokenize(sent(after))
    found = follow(one, two)
    # the blank line after the thread is that between events, too, and is part of the last token
    kept = "Send mail.\n" + before + "\n\n"
    assert one.text[: one.starts[found.kept or 0]] == kept.encode()
    assert found.kept == found.reach
    assert found.tokens == len(two.ids)
    assert found.broken == ("question", "What next?")


@pytest.mark.parametrize("gap", ["\n", "\n\n", " ", "", "\n\n\n"])
def test_a_token_that_holds_the_end_of_the_thread_is_not_a_break_in_it(gap: str) -> None:
    before, after = ("\n\n".join(EVENTS[:n]) for n in (2, 3))
    found = hold(sent(before, question=f"{gap}What next?"), sent(after, question=f"{gap}What next?"))
    assert found.broken is not None
    assert found.broken[0] == "question"
    assert found.kept == found.reach


def test_a_closing_bracket_is_where_a_list_breaks() -> None:
    found = hold(sent('[{"type":"a"}]'), sent('[{"type":"a"},{"type":"b"}]'))
    assert found.broken == ("thread", '[{"type":"a"}]')
    # "}] with the blank line after it, and ]: two tokens of the bracket's, where there might have been none
    assert found.reach is not None
    assert 0 < found.reach - (found.kept or 0) <= 2


def test_the_newest_first_breaks_where_the_thread_begins() -> None:
    before, after = "\n\n".join(reversed(EVENTS[:2])), "\n\n".join(reversed(EVENTS))
    one = tokenizer().tokenize(sent(before))
    found = follow(one, tokenizer().tokenize(sent(after)))
    assert one.text[: one.starts[found.kept or 0]] == b"Send mail.\n"
    assert found.broken == ("thread", "<b>")


def test_equal_prompts_are_kept_as_a_whole() -> None:
    found = hold(sent("x"), sent("x"))
    assert found.kept == found.reach == found.tokens
    assert found.broken == ("end", "")


def test_tools_stand_first() -> None:
    tools = [({"type": "function", "function": {"name": name}},) for name in ("ask", "tell")]
    found = hold(*(sent("x", tools=offered) for offered in tools))
    assert found.broken is not None
    assert found.broken[0] == "schema"
    assert (found.kept or 0) < len(tokenizer().tokenize(sent("x", tools=tools[0])).ids) / 2


def test_a_message_breaks_at_its_role() -> None:
    question = ({"role": "user", "content": "What next?"}, (Piece("question", "What next?"),))
    first, answer = (({"role": role, "content": "one"}, (Piece("thread", "one"),)) for role in ("user", "assistant"))
    prompts = [Prompt(*map(tuple, zip(*messages, strict=True))) for messages in ([first, question], [first, answer, question])]
    found = hold(*prompts)
    assert found.kept == 4 + 1  # framing, and a word
    assert found.broken == ("question", "What next?")


def test_a_thread_shown_twice_reaches_to_its_first_end() -> None:
    pieces = tuple(Piece(kind, text) for kind, text in (("thread", "a b c"), ("question", "\nAgain:\n"), ("thread", "a b c")))
    twice = Prompt(({"role": "user", "content": "".join(piece.text for piece in pieces)},), (pieces,))
    found = hold(twice, sent("z", instructions=""))
    assert (found.kept, found.reach) == (4, 7)  # framing and role; and three words


texts = st.text(max_size=12) | st.sampled_from(["", "\n\n", "</a>\n", "é", "🚀", "a b", ">"])


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=4), st.lists(texts, max_size=2))
def test_kept_is_what_both_begin_with(same: list[str], one: list[str], other: list[str]) -> None:
    first, second = (tokenizer().tokenize(sent("".join([*same, *more]))) for more in (one, other))
    found = follow(first, second)
    pairs = zip(first.ids.tolist(), second.ids.tolist(), strict=False)
    assert found.kept == len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    assert found.kept <= (found.reach or 0) <= len(first.ids)
    assert found.kept <= found.tokens == len(second.ids)
    assert 0 <= found.after <= found.tokens
    assert found.kept == follow(second, first).kept
    assert (found.broken == ("end", "")) == (first.ids.tolist() == second.ids.tolist())


# ---------------------------------------------------------------------------------------------- suites


def test_a_suite_is_measured_variant_by_variant(tmp_path: Path) -> None:
    found = measured(tmp_path, [*TALK, OTHER], formats=["xml_json", "json", "counting"])
    assert {name: len(variant.later) for name, variant in found.items()} == {"xml_json": 2, "json": 2, "counting": 2}
    xml, json, counting = (means(found[name]) for name in ("xml_json", "json", "counting"))
    assert xml["rewritten"] == 0
    assert 0 < (json["rewritten"] or 0) <= 3
    # nothing but what all prompts begin with is left of a thread that begins with what changes
    assert counting["kept"] == counting["common"]
    assert (xml["kept"] or 0) > (xml["common"] or 0) + 10
    assert breaks(found) == [
        "xml_json: keeps the thread whole; what follows it is the question, `What is the next step?`.",
        "json: always rewrites the past, most often in the thread at `…]`.",
        "counting: always rewrites the past, most often in the thread at `1 events`.",
    ]


def test_the_means_are_those_of_later_prompts() -> None:
    first, second, third = Sent(50, 10), Sent(100, 10, 60, 70, ("thread", "]")), Sent(200, 10, 160, 160, ("question", "?"))
    found = Prefixes((first, second, third), 40)
    assert means(found) == {
        "pairs": 2,
        "prompt": 150,
        "kept": 110,
        "share": pytest.approx(110 / 150),
        "rewritten": 5,
        "after": 10,
        "common": 40,
    }
    assert cache_cells(found) == ("2", "150", "110", "73%", "5", "10", "40")
    assert breaks({"x": found}) == ["x: 1 of 2 times rewrites the past, most often in the thread at `]`."]


def test_an_edit_that_takes_errors_out_rewrites_the_past(tmp_path: Path) -> None:
    write(tmp_path, {"formats/edits/clear.py": (SHIPPED / "edits" / "clear_resolved_errors.py").read_text("utf-8")})
    resolved = case("resolved", ASKED, *LOOKED, *SENT, SENT[0], event("send_result", "ok"), group="ann", turn=4)
    found = measured(tmp_path, [*TALK, resolved, OTHER], formats=["xml_json"], edits=["none", "clear"])
    assert (means(found["xml_json"])["rewritten"], len(found["clear xml_json"].later)) == (0, 3)
    told = breaks(found)[1]
    assert told.startswith("clear xml_json: 1 of 3 times rewrites the past, most often in the thread at ")


def test_what_all_prompts_begin_with_needs_two_conversations(tmp_path: Path) -> None:
    assert measured(tmp_path, TALK)["json"].common is None
    common = measured(tmp_path, [*TALK, OTHER])["json"].common
    assert common is not None
    resolved = plan_of(tmp_path, datasets={"mail": [*TALK, OTHER]})
    prompts = [tokenizer().tokenize(resolved.prompt(trial)) for trial in resolved.trials if trial.variant.format == "json"]
    heads = {tuple(prompt.ids[:common].tolist()) for prompt in prompts}
    assert len(heads) == 1
    assert len({int(prompt.ids[common]) for prompt in prompts}) > 1


def test_without_conversations_nothing_comes_before(tmp_path: Path) -> None:
    found = measured(tmp_path, [OTHER, case("alone")])
    assert cache_cells(found["json"])[:4] == ("0", "–", "–", "–")
    assert breaks(found) == []


def test_a_sample_is_left_out_of_account(tmp_path: Path) -> None:
    agents = [{"dataset": "mail", "functions": ["Mail"], "sample": 1}]
    file = project(tmp_path, datasets={"mail": TALK}, agents=agents)
    assert len(resolve(file).trials) == 2
    assert len(resolve(prompt_cache.without_samples(file)).trials) == 6


@pytest.mark.slow
def test_shipped_formats_keep_the_past_as_documented() -> None:
    file = prompt_cache.without_samples(load_suite(SHIPPED.parent / "evals" / "difficulty.yaml"))
    agents = tuple(agent for agent in file.suite.agents if agent.dataset == "issues")
    file = replace(file, suite=file.suite.model_copy(update={"agents": agents}))
    whole = ["messages_text", "trace", "xml_yaml", "xml_json", "yaml", "markdown"]
    found = measure_prefixes(resolve(file, Selection(formats=[*whole, "json", "json_pretty", "toon"])), tokenizer())
    rows = {kind[2]: means(variant) for kind, variant in found.items()}
    assert {name: rows[name]["rewritten"] for name in whole} == dict.fromkeys(whole, 0)
    assert {round(rows[name]["rewritten"] or 0) for name in ("json", "json_pretty")} == {2}
    assert rows["toon"]["kept"] == rows["toon"]["common"]
    page = " ".join((SHIPPED.parent / "docs" / "tokens.md").read_text("utf-8").split())
    toon, xml = rows["toon"], rows["xml_yaml"]
    assert f"{toon['rewritten']:.0f} of {toon['prompt']:,.0f} tokens are rewritten" in page
    assert f"{toon['share']:.0%} are kept where `xml_yaml` keeps {xml['share']:.0%}".replace("%", " %") in page


@pytest.mark.slow
def test_a_schema_after_the_thread_is_read_anew_as_documented() -> None:
    file = prompt_cache.without_samples(load_suite(SHIPPED.parent / "evals" / "position.yaml"))
    found = measure_prefixes(resolve(file), tokenizer())
    first, last = (means(found[f"DetermineNextStepDeploy{name}", "none", "xml_yaml", "prompted"]) for name in ("", "SchemaLast"))
    said = f"{last['after']:.0f} tokens are read anew instead of {first['after']:.0f}, and {last['share']:.0%} are kept"
    page = " ".join((SHIPPED.parent / "docs" / "tokens.md").read_text("utf-8").split())
    assert said.replace("%", " %") + f" instead of {first['share']:.0%}".replace("%", " %") in page


# ---------------------------------------------------------------------------------------------- the command line


def run(suite: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["tokens", str(suite), "--by", "turn", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_view_at_80_columns(tmp_path: Path, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write(tmp_path, {"formats/counting.j2": COUNTING})
    agents = [{"dataset": "mail", "functions": ["Mail"], "sample": 1}]
    suite = project(tmp_path, datasets={"mail": [*TALK, OTHER]}, formats=["xml_json", "json", "counting"], agents=agents).path
    out = run(suite, "--tokenizer", "o200k_base", "--tokenizer", "cl100k_base", "-o", str(tmp_path / "turns.csv"))
    out = "".join(line + "\n" for line in out.splitlines() if not line.startswith("wrote"))
    assert max(map(len, out.splitlines())) <= 80
    golden("tokens/by_turn.txt", out)
    with (tmp_path / "turns.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["function", "edit", "format", "output", "tokenizer", "cases", *prompt_cache.COLUMNS, "spread"]
    assert [row["pairs"] for row in rows] == ["2"] * 6
    assert float(rows[0]["share"]) == pytest.approx(float(rows[0]["kept"]) / float(rows[0]["prompt"]))


def test_a_suite_without_conversations_says_so(tmp_path: Path) -> None:
    out = run(project(tmp_path).path, "-o", str(tmp_path / "turns.json"))
    assert out.startswith("No case continues another one")
    assert {row["pairs"] for row in json.loads((tmp_path / "turns.json").read_text())} == {0}
