"""Tools added to an agent's steps: the steps stay what they are, the tools are nested, and none is right unnoticed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import load_project
from phrasing.baml.tools.lists import Tool
from phrasing.cli import main
from phrasing.errors import UserError
from phrasing.plan.describe import plan_text
from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import Plan, resolve
from phrasing.project.revision import files_at
from phrasing.prompts.distractors import resembling
from phrasing.prompts.template import enforced
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Agent
from phrasing.types import Completion, ToolCall
from support.small_projects import CLIENT, STEPS, cache, cases, function, lines, project, write
from support.tiers import examples
from support.tiny_runs import commit

__all__ = ["cache"]

NAMES = ("open_door", "ring_bell", "paint_wall", "mow_lawn", "bakeBread", "fly-kite", "sail", "wash_car", "sweep_floor")


def tool(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*properties]}
    return {"name": name, "description": description, "inputSchema": schema}


TOOLS = [tool(name, f"{name} it", where={"type": "string"}) for name in NAMES]


def planned(root: Path, listed: Any = TOOLS, *, sources: str = "", outputs: Any = ("prompted",), **said: Any) -> Plan:
    """Plan a mail agent with these tools; ``said`` are keys of its ``distractors``, but ``functions``."""
    functions = said.pop("functions", ["Mail"])
    write(root, {"tools.json": json.dumps({"tools": listed})})
    distractors = {"tools": "tools.json", "counts": [0, 2], **said}
    agent = {"dataset": "mail", "functions": functions, "distractors": distractors}
    file = project(root, agents=[agent], formats=["json"], outputs=[*outputs])
    if sources:
        write(root, {"baml_src/mail.baml": CLIENT + STEPS + sources})
    return resolve(file)


def unions(plan: Plan) -> dict[str, list[str]]:
    return {name: [*template.function.steps] for name, template in plan.agents["mail"].templates.items()}


def schema_texts(plan: Plan, name: str) -> list[str]:
    """The text of each step, as BAML shows it."""
    text = plan.agents["mail"].templates[name].function.render("T")[0][1]
    return re.split(r"(?<=\}) or (?=\{)", text.split("schemas:\n", 1)[1].strip())


# ---------------------------------------------------------------------------------------------- what stays

KINDS = {
    "classes": "Search | Send | Finish",
    "an alias": "Two | Finish",
    "a list": "(Search | Send)[]",
    "a list by another name": "Many",
    "one class": "Search",
    "a class, an enum and a literal": 'Search | Mood | "stop"',
}
MORE = """
type Two = Search | Send
type Many = (Two | Finish)[]
enum Mood {
  Good
  Bad
}
"""


@given(
    seed=st.integers(0, 10**6),
    counts=st.lists(st.integers(1, len(NAMES)), min_size=1, max_size=2, unique=True),
    kind=st.sampled_from([*KINDS]),
)
@examples(8, 100)
def test_tools_are_nested_and_steps_stay_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, seed: int, counts: list[int], kind: str
) -> None:
    root = tmp_path_factory.mktemp("nested")
    sources = MORE + function("Mail", returns=KINDS[kind])
    plan = planned(root, seed=seed, counts=[0, *counts], sources=sources)
    made, was = unions(plan), load_project(root / "baml_src").function("Mail")
    own = made["Mail"]
    assert own == [*was.steps]
    larger = made[max(made, key=lambda name: len(made[name]))]
    for count in counts:
        name = f"Mail(+{count})"
        changed = plan.agents["mail"].templates[name].function
        assert len(made[name]) == len(own) + count
        assert [step for step in made[name] if step in own] == own
        assert [step for step in larger if step in made[name]] == made[name]  # nested, and in the same places
        assert plan.agents["mail"].added_to[name] == plan.agents["mail"].added_to[f"Mail(+{max(counts)})"][:count]
        for intent, step in was.steps.items():
            assert (changed.steps[intent].schema, changed.steps[intent].description) == (step.schema, step.description)
        tools = {each["function"]["name"]: each for each in changed.tools}
        assert [tools[each["function"]["name"]] for each in was.tools] == [*was.tools]
        if kind == "classes":
            shown = schema_texts(plan, name)
            assert [text for text in shown if text in schema_texts(plan, "Mail")] == schema_texts(plan, "Mail")
            assert len(shown) == len(own) + count


def test_the_order_of_the_file_is_nothing_to_the_draw(tmp_path: Path) -> None:
    made = unions(planned(tmp_path, counts=[3, 5]))
    assert unions(planned(tmp_path, [*reversed(TOOLS)], counts=[3, 5])) == made
    gone = next(step for step in made["Mail(+3)"] if step in NAMES)
    less = unions(planned(tmp_path, counts=[5], leave_out=[gone]))["Mail(+5)"]
    assert [step for step in less if step in made["Mail(+5)"]] == [step for step in made["Mail(+5)"] if step != gone]
    assert unions(planned(tmp_path, counts=[3, 5], seed=3)) != made


@pytest.mark.parametrize("output", ["prompted", "tool", "native"])
def test_without_added_tools_requests_are_what_they_were(tmp_path: Path, output: str) -> None:
    plain = resolve(
        project(tmp_path / "plain", formats=["json"], outputs=[output], agents=[{"dataset": "mail", "functions": ["Mail"]}])
    )
    made = planned(tmp_path / "more", counts=[0, 3], outputs=[output])
    before = {trial.id: plain.request(trial, plain.prompt(trial)).key for trial in plain.trials}
    after = {trial.id: made.request(trial, made.prompt(trial)).key for trial in made.trials}
    assert before.items() <= after.items()
    assert len(after) == 2 * len(before)
    assert [Inputs(plain)(trial) for trial in plain.trials] == [
        Inputs(made)(trial) for trial in made.trials if trial in plain.trials
    ]


def test_a_thread_that_looks_like_an_added_tool_is_rendered_as_before(tmp_path: Path) -> None:
    """Roles are inferred from the agent's own steps: an event named like an added tool is no step of it."""
    told = [{"type": "sail", "data": {}}, {"type": "note", "data": "wind"}]
    listed = [{**case, "thread": {"events": told}} for case in cases(2)]
    made = planned(tmp_path, counts=[0, len(NAMES)])
    (tmp_path / "datasets" / "mail.jsonl").write_text(lines(*listed))
    plan = resolve(load_suite(tmp_path / "evals" / "mail.yaml"))
    assert plan.agents["mail"].steps == made.agents["mail"].steps == {"search", "send", "finish"}
    assert {event.role for thread in plan.agents["mail"].threads.values() for event in thread.events} == {"input"}


def test_an_agent_without_distractors_is_stored_as_it_was() -> None:
    assert "distractors" not in Agent.model_validate({"dataset": "mail", "functions": ["Mail"]}).model_dump(mode="json")
    agent = Agent.model_validate({"dataset": "mail", "functions": ["Mail"], "distractors": {"tools": "x", "counts": [3, 0]}})
    assert Agent.model_validate(agent.model_dump(mode="json")) == agent
    assert agent.asked == {"Mail": ("Mail",), "Mail(+3)": ("Mail(+3)",)}


def test_the_parser_and_the_tools_are_bamls_own(tmp_path: Path) -> None:
    plan = planned(tmp_path, counts=[len(NAMES)], outputs=["prompted", "tool"])
    (name,) = plan.agents["mail"].templates
    parser = plan.agents["mail"].parsers[name]
    read = parser.parse(Completion(text='Sure: {"where": "home", "intent": "mow_lawn"}'), "prompted")
    assert read.step is not None
    assert (read.step.intent, read.step.args) == ("mow_lawn", {"where": "home"})
    called = parser.parse(Completion(tool_calls=(ToolCall(name="fly-kite", arguments='{"where": "hill"}'),)), "tool")
    assert called.step is not None
    assert called.step.intent == "fly-kite"
    listed = enforced(plan.agents["mail"].templates[name].function, "tool")[0]
    assert {each["function"]["name"] for each in listed} == {"search", "send", "finish", *NAMES}  # type: ignore[union-attr]


def test_the_field_that_tells_steps_apart_keeps_its_alias(tmp_path: Path) -> None:
    """A tool whose argument has the name of that field keeps it apart, whichever name models read."""
    own = """
class Look {
  kind "look" @alias("action")
  sail string // a class of this name would clash
}
class Stop {
  kind "stop" @alias("action")
}
"""
    tools = [tool(name, action={"type": "string"}, kind={"type": "string"}) for name in ("sail", "open_door")]
    labels = {"mail": cases(1, expect=[{"intent": "look"}])}
    write(tmp_path, {"tools.json": json.dumps(tools)})
    agent = {"dataset": "mail", "functions": ["Pick"], "distractors": {"tools": "tools.json", "counts": [2]}}
    file = project(tmp_path, agents=[agent], formats=["json"], datasets=labels)
    write(tmp_path, {"baml_src/mail.baml": CLIENT + own + function("Pick", returns="Look | Stop")})
    made = resolve(file).agents["mail"].templates["Pick(+2)"].function
    assert made.tags == ("action",)
    assert set(made.steps) == {"look", "stop", "sail", "open_door"}
    assert set(made.steps["sail"].fields) == {"action_argument", "kind_argument"}


def test_a_rewrite_changes_added_tools_too(tmp_path: Path) -> None:
    write(tmp_path, {"prompts/last.yaml": "fields: [..., intent]\n"})
    plan = planned(tmp_path, functions=["Mail", "Mail(last)"], counts=[0, 4])
    assert [*plan.agents["mail"].templates] == ["Mail", "Mail(+4)", "Mail(last)", "Mail(last+4)"]
    texts = schema_texts(plan, "Mail(last+4)")
    assert len(texts) == 7
    assert all(re.search(r'"intent": "[\w-]+",\n}$', text.strip()) for text in texts)
    assert unions(plan)["Mail(last+4)"] == unions(plan)["Mail(+4)"]
    assert plan.agents["mail"].rewritten.keys() == {"Mail(last)", "Mail(last+4)"}


# ---------------------------------------------------------------------------------------------- none is right unnoticed


def tool_of(name: str, description: str = "") -> Tool:
    return Tool(name, description, {})


RESEMBLING: Mapping[str, tuple[Tool, set[str]]] = {
    "a word of the name": (tool_of("search_web"), {"search"}),
    "a plural": (tool_of("list_sends"), {"send"}),
    "camel case": (tool_of("webSearch"), {"search"}),
    "in capitals": (tool_of("SEND-SMS"), {"send"}),
    "two words of descriptions": (tool_of("dispatch", "Put something into a mail, and look it up. Send nothing."), {"search"}),
    "only a later sentence": (tool_of("dispatch", "Post it. Send the mail."), set()),
    "small words": (tool_of("of_the", "is to do the it"), set()),
    "nothing": (tool_of("open_door", "Let somebody in."), set()),
}


@pytest.mark.parametrize("what", RESEMBLING)
def test_which_tools_resemble_a_step(tmp_path: Path, what: str) -> None:
    file = project(tmp_path)
    steps = resolve(file).agents["mail"].templates["Mail"].function.steps
    one, wanted = RESEMBLING[what]
    assert set(resembling(one, steps)) & {"search", "send", "finish"} == wanted


NEAR = [*TOOLS, tool("search_web"), tool("resend"), tool("finish_work"), tool("Send")]
EVERY = len(NEAR)


def refusal(root: Path, listed: Any = NEAR, **said: Any) -> str:
    with pytest.raises(UserError) as error:
        planned(root, listed, **{"counts": [EVERY - 1], **said})
    message = str(error.value).replace(f"{root}/", "")
    assert "\n" not in message
    return re.sub(r"^evals/mail.yaml:\d+: ", "", message)


def test_a_tool_that_may_be_right_is_refused_until_it_was_reviewed(tmp_path: Path) -> None:
    said = refusal(tmp_path, leave_out=["Send"])
    assert said.startswith("agents.0.distractors: tools that resemble a step, so that one could be a right answer, ")
    assert set(re.findall(r"(\w+) \((\w+)\)", said)) == {("search_web", "search"), ("finish_work", "finish")}
    said = refusal(tmp_path, leave_out=["Send"], reviewed=["finish_work"])
    assert re.findall(r"(\w+) \((\w+)\)", said) == [("search_web", "search")]
    plan = planned(tmp_path, NEAR, counts=[EVERY - 1], leave_out=["Send"], reviewed=["finish_work", "search_web"])
    assert "they resemble steps, and were reviewed: " in plan_text(plan)
    plan = planned(tmp_path, NEAR, counts=[EVERY - 3], leave_out=["Send", "finish_work", "search_web"])
    assert set(unions(plan)[f"Mail(+{EVERY - 3})"]) == {"search", "send", "finish", "resend", *NAMES}


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "a step's name": (
        {"counts": [EVERY]},
        "agents.0.distractors: tools have the names of the agent's own steps; name them under leave_out: Send (send)",
    ),
    "too many": (
        {"counts": [0, EVERY + 1]},
        f"agents.0.distractors.counts: tools.json has {EVERY} tools, so {EVERY + 1} can't be added",
    ),
    "too many without some": (
        {"counts": [EVERY], "leave_out": ["Send"]},
        f"agents.0.distractors.counts: tools.json has {EVERY - 1} tools without the 1 under leave_out, so {EVERY} can't be added",
    ),
    "no such tool": (
        {"reviewed": ["serch_web"]},
        "agents.0.distractors.reviewed: tool 'serch_web' not found (did you mean 'search_web'?); there are: ",
    ),
    "no such tool to leave out": ({"leave_out": ["x"]}, "agents.0.distractors.leave_out: tool 'x' not found; there are: "),
    "both": ({"leave_out": ["sail"], "reviewed": ["sail"]}, "agents.0.distractors: 'sail' is named twice"),
    "a count twice": ({"counts": [2, 2]}, "agents.0.distractors.counts: 2 is named twice"),
    "less than none": ({"counts": [-1]}, "agents.0.distractors.counts: wanted numbers from 0 on, got -1"),
    "no file": ({"tools": "x.json"}, "agents.0.distractors.tools: 'x.json' can't be read: "),
    "a file elsewhere": ({"tools": "../x.json"}, "agents.0.distractors.tools: '../x.json' lies outside the project; "),
    "no list of tools": ({"tools": "evals/mail.yaml"}, "is neither JSON nor JSON Lines: "),
    "a name that isn't one": ({"functions": ["Mail(+0)"]}, "agents.0.functions: 'Mail(+0)' is no function; "),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(tmp_path: Path, what: str) -> None:
    said, wanted = REFUSED[what]
    assert refusal(tmp_path, **said).startswith(wanted), refusal(tmp_path, **said)


def test_tools_that_baml_can_not_write_are_named(tmp_path: Path) -> None:
    bad = {"name": "shout", "inputSchema": {"type": "string"}}
    said = refusal(tmp_path, [*TOOLS, bad], counts=[len(NAMES) + 1])
    assert said.startswith(
        "agents.0.distractors: Mail(+10) can't be made with tools.json: tools.json: tools[9]: tool 'shout' takes no"
    )
    assert said.endswith("; leave_out takes names")
    assert len(unions(planned(tmp_path, [*TOOLS, bad], counts=[len(NAMES)], leave_out=["shout"]))) == 1


def test_steps_that_no_field_tells_apart_take_no_tools(tmp_path: Path) -> None:
    write(tmp_path, {"tools.json": json.dumps(TOOLS)})
    agent = {"dataset": "mail", "functions": ["Pick"], "distractors": {"tools": "tools.json", "counts": [1]}}
    file = project(tmp_path, agents=[agent], formats=["json"], datasets={"mail": cases(1, expect=[{"intent": "port"}])})
    write(tmp_path, {"baml_src/mail.baml": CLIENT + function("Pick", returns='"port" | "starboard"')})
    with pytest.raises(UserError, match=r"agents.0.distractors: 'Pick' picks steps that no field tells apart, so tools can't be"):
        resolve(file)


def test_a_number_of_tools_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"agents.0.functions: tools can't be added, because distractors names none"):
        resolve(project(tmp_path, agents=[{"dataset": "mail", "functions": ["Mail(+2)"]}]))


@pytest.mark.parametrize("key", ["expect", "forbid"])
def test_no_label_can_make_an_added_tool_right(tmp_path: Path, key: str) -> None:
    """Nor where another function of the project has a step of that name."""
    planned(tmp_path, counts=[len(NAMES)])
    elsewhere = '\nclass Sail {\n  intent "sail"\n}\n' + function("Ship", returns="Sail | Finish")
    write(tmp_path, {"baml_src/ship.baml": elsewhere})
    labels = cases(1, **{key: [{"intent": "sail"}, *([{"intent": "search"}] if key == "expect" else [])]})
    (tmp_path / "datasets" / "mail.jsonl").write_text(lines(*labels))
    with pytest.raises(UserError, match=f"{key}: intent 'sail' not found"):
        resolve(load_suite(tmp_path / "evals" / "mail.yaml"))


def test_a_tool_of_another_function_of_the_agent_is_no_distractor(tmp_path: Path) -> None:
    """Functions of an agent share their labels, so a tool must be a step of none of them."""
    write(tmp_path, {"tools.json": json.dumps([*TOOLS, tool("send")])})
    agent = {"dataset": "mail", "functions": ["Mail", "Short"], "distractors": {"tools": "tools.json", "counts": [10]}}
    file = project(tmp_path, agents=[agent], formats=["json"])
    write(tmp_path, {"baml_src/short.baml": function("Short", returns="Search | Finish")})
    with pytest.raises(UserError, match=r"tools have the names of the agent's own steps; name them under leave_out: send$"):
        resolve(file)


# ---------------------------------------------------------------------------------------------- shown, and at a revision


def test_a_prompt_is_shown_with_any_number_of_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(tmp_path, counts=[2, 5])
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["render", "c0", "-f", "json", "--function", "Mail", "--function", "Mail(+3)"])
    assert done.exit_code == 0, done.output
    assert sum(line.startswith("+") and '"intent": ' in line for line in done.output.splitlines()) == 3


def test_a_revision_has_the_tools_of_its_time(tmp_path: Path) -> None:
    plan = planned(tmp_path, counts=[len(NAMES)])
    commit(tmp_path, "v1")
    write(tmp_path, {"tools.json": json.dumps([tool("other")])})
    with files_at(tmp_path, "v1") as files:
        then = resolve(files.suite(tmp_path / "evals" / "mail.yaml"))
        assert unions(then) == unions(plan)
