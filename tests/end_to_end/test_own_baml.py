"""An agent's own BAML, as people have it, run as it is: every output, messages and traces, examples, labels by either name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.errors import DatasetError
from phrasing.plan.resolve import resolve
from phrasing.prompts.template import verify
from phrasing.suite.file import SuiteFile, load_suite
from phrasing.types import Completion, Request, ToolCall
from support.small_projects import cache, event, lines, shipped, write  # noqa: F401

BAML = {
    "generators.baml": (
        'generator ts {\n  output_type "typescript"\n  output_dir "../src" // }\n'
        '  version "0.83.0"\n  default_client_mode async\n}\n'
    ),
    "clients/models.baml": """
client<llm> Fast {
  provider openai
  retry_policy Patient
  options {
    model "gpt-x"
    api_key env.CLINIC_KEY
  }
}
client<llm> Safe {
  provider fallback
  options {
    strategy [Fast, "anthropic/claude-x"]
  }
}
retry_policy Patient {
  max_retries 3
}
""",
    "types/animals.baml": """
enum Species {
  Dog
  Cat @alias("feline") @description("any cat")
  Dragon @skip
  @@alias("Kind of animal")
}
class Animal {
  species Species
  callName string @alias("call_name") @description("what it answers to, \\"Rex\\" for instance")
  ageInYears float? @alias("age")
}
type Slot = string @check(iso, {{ this|regex_match("^[0-9-]+T[0-9:]+$") }})
""",
    "steps.baml": """
// What the front desk may do. class NotThis { tool "x" }
class LookUpOwner {
  tool "look_up_owner" @description(#"find an owner by "phone" or name"#)
  query string
  from "phone" | "web" | null
}
class BookVisit {
  tool "book_visit"
  animal Animal
  slot Slot @alias("start_time")
  reasons string[] @assert(some, {{ this|length > 0 }})
  internalNote string? @skip
  @@description("put a visit into the book")
}
class AskOwner {
  tool "ask_owner"
  message string
}
class Done {
  tool "done"
  message string
}
type Talking = AskOwner | Done
type NextStep = LookUpOwner | BookVisit | Talking
""",
    "desk.baml": """
template_string Manners(language: string) #"
  Answer in {{ language }}.
"#

function NextAtTheDesk(history: string, language: string, opening: string?, examples: string) -> NextStep {
  client Safe
  prompt #"
    {{ _.role("system") }}
    You are the front desk of a clinic for animals.{% if opening %} Open: {{ opening }}.{% endif %}

    {{ Manners(language) }}
    {{ ctx.output_format(prefix="Say one of:\\n", quote_class_fields=true) }}
    {{ _.role("user") }}
    {% if examples %}Seen before:
    {{ examples }}
    {% endif %}
    {{ history }}

    What next?
  "#
}
function Summarise(history: string) -> string {
  client Fast
  prompt #"{{ history }}"#
}
test Rex {
  functions [NextAtTheDesk]
  args {
    history "Rex limps {"
    language "English"
    examples ""
  }
  @@assert(books, {{ this.tool == "book_visit" }})
}
""",
}

VISIT = {
    "animal": {"species": "Cat", "callName": "Mia", "ageInYears": None},
    "slot": "2031-01-02T10:00",
    "reasons": ["limps"],
}
WRITTEN = {
    "animal": {"species": "feline", "call_name": "Mia", "age": None},
    "start_time": "2031-01-02T10:00",
    "reasons": ["limps"],
}


def case(name: str, *labels: dict[str, Any], **more: Any) -> dict[str, Any]:
    events = [
        event("call", {"text": f"{name}: Mia limps"}),
        event("look_up_owner", {"query": "Mia"}),
        event("look_up_owner_result", []),
    ]
    return {"id": name, "thread": {"events": events}, "expect": list(labels), **more}


CASES = [
    case("by-name", {"intent": "book_visit", "args": VISIT}),
    case("by-alias", {"intent": "book_visit", "args": {"animal": {"species": "feline"}, "start_time": VISIT["slot"]}}),
    case(
        "matched", {"intent": "book_visit", "args": {"animal": {"call_name": {"$regex": "M.a"}}, "reasons": {"$set": ["limps"]}}}
    ),
    case("shown", {"intent": "book_visit"}, answer={"intent": "book_visit", "args": WRITTEN}),
    case("shown-too", {"intent": "done"}, answer={"intent": "done", "args": {"message": "bye"}}),
]
AGENT = {
    "dataset": "desk",
    "functions": ["NextAtTheDesk"],
    "thread": "history",
    "arguments": {"language": "German"},
    "examples": ["shown", "shown-too"],
    "text": "ask_owner",
}


def clinic(root: Path, *listed: dict[str, Any], **changed: Any) -> SuiteFile:
    write(root, {f"agent/baml_src/{name}": text for name, text in BAML.items()})
    write(root, shipped("json", "xml_yaml", "messages", "messages_text") | {"datasets/desk.jsonl": lines(*(listed or CASES))})
    suite = {
        "description": "Does it hold?",
        "baml_src": "agent/baml_src",
        "agents": [AGENT],
        "formats": ["messages", "messages_text", "xml_yaml"],
        "outputs": ["prompted", "native", "native_bare", "tool", "tool_auto"],
        "models": ["openai/gpt"],
        **changed,
    }
    write(root, {"evals/desk.yaml": yaml.safe_dump(suite, sort_keys=False)})
    return load_suite(root / "evals" / "desk.yaml")


async def book(request: Request) -> Completion:
    """Answer as a model would that does what the prompt says: by the names that it shows."""
    if request.tools:
        assert list(request.tools[1]["function"]["parameters"]["properties"]) == list(WRITTEN)
        return Completion(text="", tool_calls=(ToolCall(name="book_visit", arguments=json.dumps(WRITTEN)),))
    answer = {"tool": "book_visit", **WRITTEN}
    return Completion(text=json.dumps({"step": answer} if request.response_format else answer))


def test_it_runs_under_every_output(tmp_path: Path) -> None:
    run = phrasing.run(clinic(tmp_path), complete=book)
    assert Counter(result.output for result in run.results.values()) == {
        "prompted": 6, "native": 6, "native_bare": 6, "tool": 6, "tool_auto": 6,
    }  # fmt: skip
    for result in run.results.values():
        assert result.parsed is not None
        assert result.parsed.step is not None
        assert (result.parsed.form, result.parsed.step.intent, result.parsed.step.args) == ("exact", "book_visit", VISIT)
        assert {name: score.value for name, score in result.scores.items() if name != "harm"} == {
            "intent": 1, "args": 1, "step": 1, "strict": 1,
        }  # fmt: skip


def test_the_prompt_is_the_agents_own(tmp_path: Path) -> None:
    resolved = resolve(clinic(tmp_path))
    agent = resolved.agents["desk"]
    template = agent.templates["NextAtTheDesk"]
    verify(template, "any thread", "any example")
    trial = next(t for t in resolved.trials if (t.variant.format, t.variant.output) == ("xml_yaml", "prompted"))
    system, user = (message["content"] for message in resolved.prompt(trial).messages)
    assert system.startswith(
        "You are the front desk of a clinic for animals.\nAnswer in German.\nKind of animal\n----\n- Dog\n- feline: any cat\n"
    )
    assert "\nSay one of:\n" in system
    assert '"call_name": string,' in system
    assert "Dragon" not in system
    assert '\n\n{"tool":"book_visit","animal":{"species":"feline","call_name":"Mia","age":null},"start_time":' in user
    assert '\n\n{"tool":"done","message":"bye"}\n' in user


def test_an_example_is_a_call_by_the_names_that_tools_have(tmp_path: Path) -> None:
    resolved = resolve(clinic(tmp_path))
    trial = next(t for t in resolved.trials if (t.variant.format, t.variant.output) == ("messages", "tool"))
    prompt = resolved.prompt(trial)
    calls = [call["function"] for message in prompt.messages for call in message.get("tool_calls", ())]
    (shown,) = [call for call in calls if call["name"] == "book_visit"]
    assert json.loads(shown["arguments"]) == WRITTEN


def test_what_says_something_stands_for_its_step(tmp_path: Path) -> None:
    async def say(request: Request) -> Completion:
        return Completion(text="Which Mia?")

    run = phrasing.run(clinic(tmp_path, outputs=["tool_auto"], formats=["xml_yaml"]), complete=say)
    assert {result.parsed and result.parsed.step and result.parsed.step.args["message"] for result in run.results.values()} == {
        "Which Mia?"
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"animal": {"species": "Dragon"}}, 'args.animal.species: wanted "Dog" or "Cat", got "Dragon"'),
        ({"internalNote": "x"}, "argument 'internalNote' not found; there are: animal, reasons, slot"),
        ({"tool": "x"}, "argument 'tool' not found; there are: animal, reasons, slot"),
        ({"animal": {"call_nam": "x"}}, "args.animal: key 'call_nam' not found (did you mean 'callName'?); there are: "),
    ],
)
def test_labels_that_no_answer_can_have_are_refused(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    file = clinic(tmp_path, *CASES[3:], case("wrong", {"intent": "book_visit", "args": args}))
    with pytest.raises(DatasetError) as error:
        resolve(file)
    assert message in str(error.value)


def test_check_lists_every_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["check"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-4:-1] == [
        "agent/baml_src: 2 functions",
        "  NextAtTheDesk can be run, but takes history: string, language: string, opening: string?, examples: string; say which "
        "is the thread (thread: NAME), and the values of the others (arguments); strings without a value: history, language",
        "  Summarise can't be run: it returns string; a step is a class, a value of an enum or a literal: give each choice one",
    ]
