"""Functions that take messages: BAML writes them, a text as one message of the user's, calls and results as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.arguments import MessageList
from phrasing.baml.project import Project
from phrasing.errors import BamlError
from phrasing.plan.resolve import resolve
from phrasing.prompts.template import Template, compose, take_apart
from phrasing.types import Message, Output
from support.small_projects import CLIENT, STEPS, cache, case, event, function, load, shipped, write
from support.small_projects import project as project_of

__all__ = ["cache"]

TYPES = """
class Said {
  role "user" | "assistant"
  content string
}
enum Speaker {
  Human
  AI
}
class Line {
  role Speaker
  content string?
  at int?
}
class Free {
  role string
  content string
}
class Other {
  sender string
  body string
}
"""
LOOP = """
Pick a step.
{{ ctx.output_format }}
{% for m in messages %}{{ _.role(m.role) }}
{{ m.content }}
{% endfor %}
"""
SCRIPT = """
{{ _.role("system") }}
Pick a step.
{{ _.role("user") }}
{% for m in talk %}
{{ m.role }}: {{ m.content }}
{% endfor %}
What next?
{{ ctx.output_format }}
"""
SHOWN = "{{ examples }}\n" + LOOP.replace("messages", "thread")
SOURCE = (
    CLIENT
    + STEPS
    + TYPES
    + function("Loop", LOOP, parameters="messages: Said[]")
    + function("Script", SCRIPT, parameters="talk: Line[], tone: string?")
    + function("Latest", LOOP.replace("in messages", "in messages[-2:]"), parameters="messages: Free[]")
    + function("Shown", SHOWN, parameters="thread: Said[], examples: string")
    + function("Whole", "{% for m in messages %}{{ m }}{% endfor %}", parameters="messages: Said[]")
    + function("Dumped", "{{ messages }}", parameters="messages: Said[]")
    + function("Loud", LOOP.replace("m.content", "m.content|upper"), parameters="messages: Said[]")
    + function("Silent", "{{ ctx.output_format }}{{ messages|length }}", parameters="messages: Said[]")
    + function("Unlike", "{{ messages[0].body }}", parameters="messages: Other[]")
    + function("Both", LOOP + "{{ note }}", parameters="note: string, messages: Said[]")
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: None) -> Project:
    return load(tmp_path_factory.mktemp("talk"), {"main.baml": SOURCE})


@pytest.fixture(scope="module")
def templates(project: Project) -> dict[str, Template]:
    return {name: take_apart(project.function(name)) for name in ("Loop", "Script", "Latest", "Shown")}


def sent(made: Template, rendering: Any, output: Output = "prompted", **more: Any) -> list[tuple[str, str]]:
    prompt = compose(made, rendering, output, **more)
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        assert "".join(piece.text for piece in pieces) == message["content"]
    return [(message["role"], message["content"]) for message in prompt.messages]


TALK: list[Message] = [
    {"role": "user", "content": "ship it"},
    {"role": "assistant", "content": "which?"},
    {"role": "user", "content": "the blue one"},
]


def test_a_text_is_one_message_of_the_users(templates: dict[str, Template]) -> None:
    (one,) = sent(templates["Loop"], "a thread")
    assert one[0] == "user"
    assert one[1].endswith("a thread")
    system, user = sent(templates["Script"], "a thread", "tool")
    assert (system, user) == (("system", "Pick a step."), ("user", "Human: a thread\nWhat next?"))


def test_messages_are_written_as_the_prompt_says(templates: dict[str, Template]) -> None:
    first, *others = sent(templates["Loop"], TALK, "tool")
    assert first == ("user", "Pick a step.\n ship it")
    assert others == [("assistant", "which?"), ("user", "the blue one")]
    assert sent(templates["Script"], TALK, "tool") == [
        ("system", "Pick a step."),
        ("user", "Human: ship it\nAI: which?\nHuman: the blue one\nWhat next?"),
    ]
    assert sent(templates["Latest"], TALK)[1:] == [("assistant", "which?"), ("user", "the blue one")]
    assert sent(templates["Shown"], TALK, examples="so")[0][1].startswith("so\n\nPick a step.")


def test_parts_are_told_apart(templates: dict[str, Template]) -> None:
    prompt = compose(templates["Script"], TALK, "prompted")
    found = [(piece.kind, piece.text) for pieces in prompt.pieces for piece in pieces]
    assert [kind for kind, _ in found][:3] == ["instructions", "instructions", "thread"]
    assert [kind for kind, _ in found][-2:] == ["question", "schema"]
    assert "".join(text for kind, text in found if kind == "thread") == "ship it\nAI: which?\nHuman: the blue one"
    shown = compose(templates["Shown"], TALK, "prompted", examples="so")
    assert shown.pieces[0][0].kind == "examples"


CALLS: list[Message] = [
    {"role": "user", "content": "ship it"},
    {
        "role": "assistant",
        "content": "let me see",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"query":"é"}'}},
            {"id": "c2", "type": "function", "function": {"name": "finish", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": '{"found":2}'},
    {"role": "tool", "tool_call_id": "c2", "content": ""},
    {"role": "user", "content": "and?"},
]


def test_calls_and_results_are_told_as_text(templates: dict[str, Template]) -> None:
    assert sent(templates["Script"], CALLS, "tool")[1][1] == (
        'Human: ship it\nAI: let me see\n\n{"intent":"search","query":"é"}\n\n{"intent":"finish"}\n'
        'Human: {"search_result":{"found":2}}\nHuman: and?\nWhat next?'
    )


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).map(str.strip).filter(bool)
MESSAGES = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["user", "assistant"]), TEXTS), min_size=1
)


@given(name=st.sampled_from(["Loop", "Script", "Latest"]), messages=MESSAGES)
def test_what_is_sent_is_what_baml_makes_of_the_messages(
    templates: dict[str, Template], name: str, messages: list[Message]
) -> None:
    made = templates[name]
    assert sent(made, messages) == made.function.render(messages)


@given(name=st.sampled_from(["Loop", "Script", "Latest"]), text=TEXTS)
def test_what_is_sent_of_a_text_is_what_baml_makes_of_one_message(templates: dict[str, Template], name: str, text: str) -> None:
    made = templates[name]
    assert sent(made, text) == made.function.render([{"role": "user", "content": text}])


ORDER = (
    "has a prompt that comes out otherwise each time: it writes messages, or a class or a map in it, as a whole, and BAML puts "
)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Whole", ORDER),
        ("Dumped", ORDER),
        ("Loud", "doesn't show its thread as it is: write {% for m in messages %}{{ _.role(m.role) }} {{ m.content }}"),
        ("Silent", "doesn't show its thread as it is: write {% for m in messages %}"),
        (
            "Unlike",
            "takes (messages: Other[]), none of which can be the thread: a string, or a list of a class that has role and",
        ),
        ("Both", "needs values for note: string; give them as arguments: {note: …}"),
    ],
)
def test_what_doesnt_write_its_messages_is_refused(project: Project, name: str, reason: str) -> None:
    with pytest.raises(BamlError) as error:
        take_apart(project.function(name))
    assert f"function {name!r} {reason}" in str(error.value)


def test_messages_that_a_prompt_looks_into_are_refused(tmp_path: Path) -> None:
    source = LOOP.replace("{{ m.content }}", "{% if m.role == 'user' %}{{ m.content }}{% else %}{{ m.content[:5] }}{% endif %}")
    project = load(tmp_path, {"main.baml": CLIENT + STEPS + TYPES + function("Odd", source, parameters="messages: Said[]")})
    with pytest.raises(BamlError, match="depends on what its messages say"):
        compose(take_apart(project.function("Odd")), TALK, "prompted")


def test_examples_are_text(templates: dict[str, Template]) -> None:
    with pytest.raises(BamlError, match="takes messages, and its examples are text"):
        compose(templates["Shown"], TALK, "prompted", examples=TALK)


def test_a_role_that_the_class_hasnt_is_said(templates: dict[str, Template]) -> None:
    with pytest.raises(BamlError, match=r"'Loop' takes messages: role 'system' not found; there are: assistant, user"):
        compose(templates["Loop"], [{"role": "system", "content": "x"}, *TALK], "prompted")


@pytest.mark.parametrize(
    ("roles", "written"),
    [
        (None, ["user", "assistant", "system"]),
        (("Human", "AI", "Developer"), ["Human", "AI", "Developer"]),
        (("user", "bot", "agent", "system"), ["user", "agent", "system"]),
        (("human", "model", "USER", "system"), ["USER", "model", "system"]),
    ],
)
def test_roles_go_by_the_names_that_the_class_has(roles: tuple[str, ...] | None, written: list[str]) -> None:
    asked = [{"role": role, "content": " x "} for role in ("user", "assistant", "system")]
    found = MessageList(roles).value([*asked, {"role": "user", "content": " "}, {"role": "assistant", "content": None}])
    assert found == [{"role": role, "content": "x"} for role in written]


def test_messages_of_every_case_are_looked_at_before_any_is_asked(tmp_path: Path) -> None:
    shown = LOOP.replace("{{ m.content }}", '{% if m.role == "user" %}{{ m.content }}{% else %}{{ m.content[:60] }}{% endif %}')
    source = CLIENT + STEPS + TYPES + function("Mail", shown, parameters="messages: Said[]")

    def told(name: str, query: str) -> dict[str, Any]:
        return case(name, event("user_message", "hi"), event("search", {"query": query}), event("search_result", 1))

    write(tmp_path, shipped("messages"))
    listed = [told("short", "q"), told("long", "q" * 60)]
    file = project_of(tmp_path, datasets={"mail": listed}, formats=["messages"], outputs=["tool"])
    write(tmp_path, {"baml_src/mail.baml": source})
    with pytest.raises(
        BamlError, match=r"mail\.jsonl:2: function 'Mail' has a prompt that depends on what its messages .*'long'"
    ):
        resolve(file)
