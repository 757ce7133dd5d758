"""Formats that are told whether tools are offered: what is sent, checked, shown and digested under each output mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phrasing.costs.estimate import entries
from phrasing.errors import FormatError
from phrasing.plan.find_prompt import Shown, Wanted, find_prompts
from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import Plan, resolve
from phrasing.suite.file import SuiteFile, load_suite
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.types import OFFERS_TOOLS
from support.small_projects import MAIL, cache, case, event, function, project, shipped, write

__all__ = ["cache"]

OUTPUTS = ("prompted", "native", "native_bare", "tool", "tool_auto")
CASES = [
    case("plain", event("user_message", "hello")),
    case("called", event("user_message", "hi"), event("search", {"query": "x"}), event("search_result", {"hits": [1]})),
]
SHOWN = case("shown", event("user_message", "hey"), event("finish"), answer={"intent": "search", "args": {"query": "y"}})
EXAMPLES = "\n{{ _.role('system') }}\n{{ ctx.output_format }}\n{{ _.role('user') }}\n{{ examples }}\n{{ thread }}\n"


def mail(root: Path, own: dict[str, str] | None = None, **changed: Any) -> SuiteFile:
    write(root, {**shipped("chat"), **{f"formats/{name}": text for name, text in (own or {}).items()}})
    wanted = {"agents": [{"dataset": "mail", "functions": ["Mail"], "text": "search"}], "outputs": list(OUTPUTS), **changed}
    wanted = {"formats": ["chat", "messages", "messages_text", "xml_json"], **wanted}
    return project(root, datasets={"mail": [*CASES, SHOWN]}, **wanted)


def keys(plan: Plan, *formats: str) -> dict[tuple[str, str], str]:
    trials = [trial for trial in plan.trials if trial.variant.format in formats]
    return {(trial.case, trial.variant.output): plan.request(trial, plan.prompt(trial)).key for trial in trials}


def test_chat_sends_what_its_two_halves_send_under_all_modes(tmp_path: Path) -> None:
    plan = resolve(mail(tmp_path))
    assert {skipped.format for skipped in plan.skipped} == {"messages", "messages_text"}
    assert keys(plan, "chat") == keys(plan, "messages", "messages_text")
    assert {output for _, output in keys(plan, "chat")} == set(OUTPUTS)


def test_a_suite_can_ask_for_chat_against_a_trace_across_modes(tmp_path: Path) -> None:
    plan = resolve(mail(tmp_path, baseline={"format": "chat"}))
    traced = [variant for variant in plan.variants if variant.format == "xml_json"]
    assert {plan.baselines[variant].output for variant in traced} == set(OUTPUTS)


def test_render_shows_it_as_the_output_mode_has_it(tmp_path: Path) -> None:
    file = mail(tmp_path)
    for output in OUTPUTS:
        other = "messages" if output in OFFERS_TOOLS else "messages_text"
        one, same = (find_prompts([file], Wanted("", "called", [Shown(name, "none")], output=output)) for name in ("chat", other))
        assert one == same


def test_examples_are_shown_as_the_output_mode_has_them(tmp_path: Path) -> None:
    source = MAIL + function("Taking", EXAMPLES, parameters="thread: string, examples: string")
    file = mail(tmp_path)
    write(tmp_path, {"baml_src/mail.baml": source})
    text = file.path.read_text().replace("- Mail", "- Taking").replace("text: search", "text: search\n  examples: [shown]")
    file.path.write_text(text)
    plan = resolve(load_suite(file.path))
    assert keys(plan, "chat") == keys(plan, "messages", "messages_text")
    assert plan.render.examples("mail", "chat", "tool") == plan.render.examples("mail", "messages", "tool")
    assert plan.render.examples("mail", "chat", "native") == plan.render.examples("mail", "messages_text", "native")


def test_what_a_format_makes_with_tools_is_checked(tmp_path: Path) -> None:
    told = {"told.j2": "{{ 'nothing' if tools else thread.events | json }}"}
    assert resolve(mail(tmp_path / "1", told, formats=["told"], outputs=["prompted"])).trials
    for n in range(2):  # that it passed without tools says nothing of it with them
        with pytest.raises(FormatError, match=r"told.j2: drops events\[0\].data"):
            resolve(mail(tmp_path / f"2{n}", told, formats=["told"], outputs=["prompted", "tool"]))


def test_what_is_never_offered_tools_is_not_rendered_with_them(tmp_path: Path) -> None:
    told = {"told.py": "def render(thread, tools):\n    return 1 / 0 if tools else str(thread['events'])"}
    assert resolve(mail(tmp_path, told, formats=["told"], outputs=["prompted", "native"])).trials


def test_inputs_are_digested_by_what_is_shown(tmp_path: Path) -> None:
    plan = resolve(mail(tmp_path, outputs=["prompted", "tool"]))
    digests = [Inputs(plan)(trial) for trial in plan.trials]
    assert None not in digests
    assert len(set(digests)) == len(digests)


def test_tokens_are_counted_of_what_is_sent(tmp_path: Path) -> None:
    plan = resolve(mail(tmp_path, formats=["chat", "messages", "messages_text"]))
    tokenizer = open_tokenizer("o200k_base")
    found: dict[tuple[str, str, str], Any] = {}
    for listed in entries(plan, [tokenizer], by_event=True):
        for entry in listed:
            _, _, format, output = entry.kind
            found[entry.case.id, format, output] = entry.counted
    for (name, format, output), counted in found.items():
        if format == "chat":
            assert counted == found[name, "messages" if output in OFFERS_TOOLS else "messages_text", output]
