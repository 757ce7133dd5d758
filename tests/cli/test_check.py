"""`phrasing check`: what it says of suites, and where it stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.cli.common import MISTAKE
from support.tiny_commands import call, project, rewrite
from support.tiny_runs import BAML, CASES, cache, case, world

__all__ = ["cache", "project"]


def test_check_says_what_is_there(project: Path) -> None:
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail", "DetermineNextStepMailTerse"]}])
    out = call("check", "evals/small.yaml").output.splitlines()
    assert out[0] == "evals/small.yaml: Do tags change the step?"
    assert "  mail: 6 cases in 6 groups" in out
    assert out[2] == "    expected: ask 3, look_up 2, send 1"
    at = out.index("    DetermineNextStepMailTerse: 4 steps, random 25, majority 50, bigram 50,")
    assert out[at + 1] == "      words 33 %"
    assert out[at + 2] == "    no case expects: finish"
    assert "    6 events inferred as input" in out
    assert "  tags is injectable: text that holds a closing tag ends its event early" in out
    assert "  4 variants, 24 trials: good" in out


def test_check_warns_of_threads_told_twice_and_names_a_few(project: Path) -> None:
    text = " ".join(f"word{i}" for i in range(60))
    told = {"events": [{"type": "mail", "data": {"text": text}}]}
    world(project, cases=[*CASES, *({**case(f"told-{i}"), "thread": told} for i in range(4))])
    out = call("check", "evals/small.yaml").output
    assert "\n    warning: told-0 and told-1 are in different groups, and their threads are\n      100 % alike\n" in out
    assert out.count("warning: told-") == 5
    assert "    warning: and 1 more pair of near-duplicates\n" in out


def test_check_counts_labels_that_name_nothing(project: Path) -> None:
    world(project)
    # `send` has a field that is true or false; `ask` and `look_up` have only text
    counted = "\n    1 of 6 labels name no argument, though one could be compared: send 1\n      (urgent)\n"
    assert counted in call("check", "evals/small.yaml").output
    world(project, cases=[*CASES, {**case("b"), "expect": [{"intent": "look_up", "args": {"query": "ann"}}]}])
    out = " ".join(call("check", "evals/small.yaml").output.split())
    assert "3 of 7 labels name no argument, though one could be compared: look_up 2 (query), send 1 (urgent)" in out


def test_check_counts_cases_that_want_several_steps(project: Path) -> None:
    one = {key: value for key, value in case("b").items() if key != "expect"}
    both = {**one, "all": [{"intent": "look_up"}, {"intent": "ask"}]}
    world(project, cases=[*CASES, both])
    out = " ".join(call("check", "evals/small.yaml").output.split())
    assert "1 of 7 cases want several steps at once: an answer is right with all of them" in out
    assert "warning: DetermineNextStepMail returns one step, and is asked for one, which is wrong in these cases" in out
    listed = BAML.replace("LookUp | Send | Ask | Finish {", "(LookUp | Send | Ask | Finish)[] {")
    (project / "baml_src" / "mail.baml").write_text(listed)
    out = " ".join(call("check", "evals/small.yaml").output.split())
    assert "1 of 7 cases want several steps at once" in out
    assert "asked for one" not in out


def test_check_warns_of_matchers_that_accept_another_value(project: Path) -> None:
    def sends(name: str, to: object) -> dict[str, object]:
        return {**case(name), "expect": [{"intent": "send", "args": {"to": to}}]}

    parts = [sends(f"b-{hour}", {"$contains": f"{hour}:00"}) for hour in range(1, 8)]
    unread = [sends("c", {"$regex": "(?P<a>7)(?P=a)"})]
    whole = [sends("d", {"$regex": "^9:00$"})]
    world(project, cases=[*CASES, *parts, *unread, *whole])
    done = call("check", "evals/small.yaml")
    assert (
        "\n    warning: datasets/mail.jsonl:7: expect: send: args.to: $contains 1:00\n      accepts '11:00' as well as '1:00'\n"
        in done.output
    )
    assert done.output.count(" as well as ") == 5
    assert (
        "\n    warning: and 2 more that accept another value as well\n"
        "    write the whole value instead, $any_of several, or a $regex from ^ to $\n"
        "    1 matcher wasn't tried, because no value that it accepts was found: $regex\n"
        "      (?P<a>7)(?P=a) in datasets/mail.jsonl:14\n"
    ) in done.output
    assert all(len(line) <= 80 for line in done.output.splitlines() if "args" in line or "tried" in line)
    assert "mail.jsonl:15" not in done.output


def test_check_looks_at_every_suite_and_stops_at_the_first_mistake(project: Path) -> None:
    world(project, name="other", formats=["calls", "lines"], outputs=["tool", "prompted"])
    assert call("check").output.count("trials: good") == 2
    world(project, name="broken", formats=["lnies"])
    done = call("check", code=MISTAKE)
    assert done.stderr.startswith("error: evals/broken.yaml:")
    assert "did you mean 'lines'?" in done.stderr


def test_check_knows_providers_and_says_which_keys_are_missing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    world(project, models=["openai/gpt-4.1-mini", {"id": "openai/mine", "api_base": "http://127.0.0.1:1/v1"}])
    said = call("check", "evals/small.yaml").output
    assert "trials: good\n  note: to run it: model 'gpt-4.1-mini': no key for openai: set OPENAI_API_KEY in the" in said
    assert said.count("note: to run it") == 1
    (project / ".env").write_text("OPENAI_API_KEY=x\n")
    assert "note: to run it" not in call("check", "evals/small.yaml").output
    (project / ".env").write_text("OPENAI_API_KEY=x\nOPENAI_BASE_URL=http://h\n")
    assert "note: to run it: .env: model 'gpt-4.1-mini': OPENAI_BASE_URL can't come" in call("check", "evals/small.yaml").output
    world(project, models=["openai/gpt-4.1-mini", "opanai/x"])
    done = call("check", "evals/small.yaml", code=MISTAKE)
    assert done.stderr.startswith("error: evals/small.yaml:")
    assert "models: 'opanai/x' names no known provider (did you mean 'openai/x'?)" in done.stderr


def test_check_refuses_to_stream_what_cannot_be(project: Path) -> None:
    world(project, models=[{"id": "anthropic/claude-haiku-4-5", "stream": True}])
    assert "'anthropic/claude-haiku-4-5' can't be asked with stream" in call("check", "evals/small.yaml", code=MISTAKE).stderr


def test_check_says_what_rewrites_change_and_which_there_are(project: Path) -> None:
    assert "rewrite" not in call("check", "evals/small.yaml").output
    (project / "prompts").mkdir()
    (project / "prompts" / "mine.yaml").write_text("something: of mine")
    assert "rewrite" not in call("check", "evals/small.yaml").output
    name = rewrite(project, "short", "You send mail.")
    rewrite(project, "other", "Mail!")
    assert "\nprompts: 2 rewrites: other, short; in no suite that was checked: all\n" in call("check", "evals/small.yaml").output
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail", name]}])
    out = call("check", "evals/small.yaml").output
    assert (
        '\n    DetermineNextStepMail(short): prompts/short.yaml: "You send mail for a\n      person." becomes "You send mail."\n'
    ) in out
    assert "\nprompts: 2 rewrites: other, short; in no suite that was checked: other\n" in out
    assert "\n  no rewrite: prompts/mine.yaml:1: key 'something' not found; there are: arguments, " in out
    (project / "prompts" / "short.yaml").write_text("replace:\n- text: You send post.\n  by: Mail\n")
    said = call("check", "evals/small.yaml", code=MISTAKE).stderr
    assert said.startswith("error: prompts/short.yaml:2: replace.0: 'You send post.' doesn't stand in the prompt of 'Determine")
