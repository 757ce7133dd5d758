"""`phrasing verify`: what `run` sent is equal; what was changed since is shown, byte by byte, on 80 columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phrasing.cli.common import MISSED, MISTAKE
from plan.test_verify import CASES, FORMATS, OTHERS, files
from support.fault_server import answer
from support.small_projects import MAIL, cache, case, event, lines, project, write
from support.tiers import few
from support.tiny_commands import call
from support.tiny_runs import serving

__all__ = ["cache"]

EVERY = (*FORMATS, "odd")
ALL = ("prompted", "native", "native_bare", "tool", "tool_auto")
AGENT = {"dataset": "mail", "functions": ["Mail"], "text": "search"}

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def mail(root: Path, cases: Any = CASES, **changed: Any) -> None:
    write(root, files())
    wanted = {"agents": [AGENT], "formats": list(EVERY), "outputs": list(ALL), **changed}
    project(root, datasets={"mail": list(cases)}, **wanted)


def logged(root: Path, **changed: Any) -> list[dict[str, Any]]:
    """Run a suite against a server on loopback, and write what it was sent to ``sent.jsonl``."""
    with serving(answer('{"intent": "finish"}')) as served:
        mail(root, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1"}], **changed)
        call("run", "evals/mail.yaml")
        sent = list(served.requests)
    keep(root, *sent)
    mail(root, **changed)
    return sent


def keep(root: Path, *sent: Any) -> None:
    (root / "sent.jsonl").write_text(lines(*sent), "utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("formats", few(["chat xml_yaml odd", " ".join(EVERY)], ["chat xml_yaml odd"]))
def test_all_that_run_sent_is_equal_in_every_format_and_output(formats: str, here: Path) -> None:
    sent = logged(here, formats=formats.split())
    out = call("verify", "sent.jsonl").output
    assert f"{len(sent):,} of {len(sent):,} are equal under one of them" in out
    assert len(sent) > 3 * len(formats.split())
    assert "Not compared" not in out


def test_threads_are_known_though_the_suite_has_others(here: Path) -> None:
    logged(here, formats=["chat", "json", "trace"])
    (here / "datasets" / "mail.jsonl").write_text(lines(*OTHERS))
    assert "under one of them" in call("verify", "sent.jsonl").output


def test_one_way_is_named(here: Path) -> None:
    logged(here, formats=["xml_yaml"], outputs=["prompted"])
    out = call("verify", "sent.jsonl", "evals/mail.yaml", "-f", "xml_yaml", "-o", "prompted").output
    assert out.splitlines()[0] == "3 of 3 requests are equal under Mail,none,xml_yaml,prompted"
    other = call("verify", "sent.jsonl", "-f", "xml_json", code=MISSED).output
    assert "1 of 3 requests" in other.splitlines()[0]  # a thread of text alone


CHANGES = {
    "the instructions": (MAIL.replace("You send mail.", "You send mail!", 1), "message 1 (system), byte 14, in the instructions"),
    "white space": (MAIL.replace("You send mail.", "You  send mail.", 1), "in the instructions; only white space differs"),
    "the schema": (MAIL.replace("what to look for", "what to look  for", 1), "in the schema; only white space differs"),
    "the question": (MAIL.replace("What is the next step?", "What's the next step?", 1), "message 2 (user), byte"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_shown_where_it_is(name: str, here: Path) -> None:
    source, said = CHANGES[name]
    logged(here, formats=["xml_yaml"], outputs=["prompted"])
    write(here, {"baml_src/mail.baml": source})
    out = call("verify", "sent.jsonl", code=MISSED).output
    assert out.startswith("0 of 3 requests are equal")
    assert said in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    first = next(i for i, line in enumerate(out.splitlines()) if line.startswith("  logged    "))
    one, other, mark = out.splitlines()[first : first + 3]
    assert mark.strip() == "^"
    at = mark.index("^")
    assert one[12:at] == other[12:at]
    assert one[at] != other[at]


def test_tools_are_compared_and_so_is_the_order_of_their_keys(here: Path) -> None:
    sent = logged(here, formats=["messages"], outputs=["tool"])
    assert call("verify", "sent.jsonl").exit_code == 0
    keep(here, *(json.loads(json.dumps(body, sort_keys=True)) for body in sent))
    assert "tools, byte" in (out := call("verify", "sent.jsonl", code=MISSED).output)
    assert "only the order of keys differs" in " ".join(out.split())
    keep(here, *({key: value for key, value in body.items() if key != "tools"} for body in sent))
    assert "tools: missing in the log" in call("verify", "sent.jsonl", code=MISSED).output


def test_ids_of_calls_are_not_compared(here: Path) -> None:
    sent = logged(here, formats=["messages"], outputs=["tool"])
    keep(here, *(json.loads(json.dumps(body).replace('"call_', '"toolu_x')) for body in sent))
    assert call("verify", "sent.jsonl").exit_code == 0


def test_what_is_not_compared_is_counted_with_its_reason(here: Path) -> None:
    (body, *_) = logged(here, formats=["xml_yaml"], outputs=["prompted"])
    talk = {"messages": [*body["messages"], {"role": "assistant", "content": "x"}]}
    generation = {"id": "o", "type": "GENERATION", "traceId": "t", "input": body["messages"], "output": "x"}
    around = {"id": "p", "type": "SPAN", "traceId": "t", "input": None, "output": None}
    keep(here, body, talk, generation, around)
    out = " ".join(call("verify", "sent.jsonl").output.split())
    assert "2 of 2 requests are equal" in out
    assert "1 no request: the log holds what happened, not what was sent" in out
    assert "1 tools: the log doesn't say whether the request had any" in out
    assert "1 an observation that is no call of a model (a span, an agent, a tool) (sent.jsonl:4)" in out


def test_a_thread_that_cannot_be_taken_apart(here: Path) -> None:
    logged(here, formats=["odd"], outputs=["prompted"])
    (here / "datasets" / "mail.jsonl").write_text(lines(*OTHERS))
    out = " ".join(call("verify", "sent.jsonl", "-f", "odd", code=MISSED).output.split())
    assert "the thread in its text can't be taken apart; all around it is equal" in out


def test_an_edit_is_applied_to_what_was_sent(here: Path) -> None:
    tail = 'LOSSY = "the start"\ndef edit(thread):\n    return {"events": thread["events"][-1:]}\n'
    write(here, {"formats/edits/tail.py": tail})
    two = case("two", event("user_message", "one"), event("user_message", "two"))
    logged(here, cases=[two], formats=["xml_yaml"], outputs=["prompted"], edits=["tail"])
    assert call("verify", "sent.jsonl").exit_code == 0


def test_mistakes(here: Path) -> None:
    mail(here)
    keep(here, [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}])
    said = "error: sent.jsonl: no request to compare; 1 × no request: the log holds what happened, not what was sent\n"
    assert call("verify", "sent.jsonl", code=MISTAKE).stderr == said
    assert "no log is named" in call("verify", "evals/mail.yaml", code=MISTAKE).stderr
    assert (
        "function 'Mial' not found (did you mean 'Mail'?)"
        in call("verify", "sent.jsonl", "--function", "Mial", code=MISTAKE).stderr
    )
    (here / "evals" / "more.yaml").write_text((here / "evals" / "mail.yaml").read_text())
    assert "name one suite, such as evals/mine.yaml; there are: " in call("verify", "sent.jsonl", code=MISTAKE).stderr
    assert (
        "name one suite, not several" in call("verify", "sent.jsonl", "evals/mail.yaml", "evals/more.yaml", code=MISTAKE).stderr
    )
