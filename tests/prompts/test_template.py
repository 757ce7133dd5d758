"""A prompt taken apart and filled is the prompt that BAML makes, and every part of it is known; or it is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import Project
from phrasing.errors import BamlError
from phrasing.prompts import formats, template
from phrasing.prompts.template import Template, compose, take_apart
from phrasing.types import Message, Piece, Prompt, Thread
from support.small_projects import SHIPPED, cache, function, load  # noqa: F401

SYSTEM, USER, ASSISTANT = '{{ _.role("system") }}', '{{ _.role("user") }}', '{{ _.role("assistant") }}'

# Awkward prompts with what they are made of, message by message: I instructions, S schema, T thread, Q question. White space
# alone doesn't count.
GOOD: dict[str, tuple[str, str]] = {
    "SystemSchema": (
        f"{SYSTEM}\nYou send mail.\n{{{{ ctx.output_format }}}}\n{USER}\n{{{{ thread }}}}\nNext?",
        "system:IS user:TQ",
    ),
    "SchemaBefore": (f"{USER}\nHello\n{{{{ ctx.output_format }}}}\nnow\n{{{{ thread }}}}", "user:ISIT"),
    "SchemaAfter": ("{{ thread }}\n\n{{ ctx.output_format }}\n\nNext?", "user:TSQ"),
    "SchemaAlone": (f"{SYSTEM}{{{{ ctx.output_format }}}}{USER}{{{{ thread }}}}", "system:S user:T"),
    "SchemaTwice": ("{{ ctx.output_format }}\n{{ thread }}\nAgain: {{ ctx.output_format(prefix='') }}", "user:STQS"),
    "SchemaAround": (f"{{{{ ctx.output_format }}}}{USER}{{{{ thread }}}}{SYSTEM}{{{{ ctx.output_format }}}}", "user:ST system:S"),
    "ByTemplate": ("{{ Rules('Mail') }}\n{{ thread }}{{ Rules('After') }}", "user:ISITQSQ"),
    "BySet": ("{% set schema = ctx.output_format %}{{ schema }}\n{{ thread }}", "user:ST"),
    "NestedCall": (
        """{{ ctx.output_format(prefix=("(" ~ ")))" ~ '\\')("'), or_splitter=" }} or ((") }}\n{{ thread }}""",
        "user:ST",
    ),
    "SpacedCall": ("{{- ctx . output_format (\n  quote_class_fields = true\n) -}}\n{{ thread }}", "user:ST"),
    "InBlock": (
        "{% for word in ['a', 'b'] %}{{ word }}{% endfor %}{% if true %}{{ ctx.output_format }}{% endif %} {{ thread }}",
        "user:IST",
    ),
    "NoSchema": (f"{SYSTEM}You send mail.{USER}{{{{ thread }}}}\nNext?", "system:I user:TQ"),
    "Commented": ("{# don't {{ ctx.output_format }} nor {{ thread }} #}{# ctx.output_format #}Hi {{ thread }}", "user:IT"),
    "AsText": ("Write ctx.output_format: {{ thread }}", "user:IT"),
    "ThreadTwice": (f"{SYSTEM}S{USER}{{{{ thread }}}}\nonce more\n{{{{ thread }}}}", "system:I user:TQT"),
    "ThreadInSystem": (f"{SYSTEM}{{{{ thread }}}}{USER}Next?", "system:T user:Q"),
    "ThreadAlone": ("{{ thread }}", "user:T"),
    "Examples": (f"{USER}2+2{ASSISTANT}4{USER}{{{{ thread }}}}{ASSISTANT}I think", "user:I assistant:I user:T assistant:Q"),
    "UserOnly": ("Text before.\n\n   {{ thread }}   \n\ntext after", "user:ITQ"),
    "Unicode": ("— ␂ ☃\n{{ ctx.output_format }}\n{{ thread }}\n\u00a0«fin»\u00a0", "user:ISTQ"),
}
# The same with examples (E), with some and without any.
TAKERS: dict[str, tuple[str, str, str]] = {
    "Above": (
        f"{SYSTEM}Look.\n{{{{ ctx.output_format }}}}\n{{{{ examples }}}}{USER}{{{{ thread }}}}\nNext?",
        "system:ISE user:TQ",
        "system:IS user:TQ",
    ),
    "Between": (f"{USER}Look:\n{{{{ examples }}}}\n\nNow:\n{{{{ thread }}}}", "user:IEIT", "user:IT"),
    "Below": ("{{ thread }}\n{{ examples }}\nNext?\n{{ ctx.output_format }}", "user:TEQS", "user:TQS"),
    "NoRole": ("\n{{ examples }}\nand\n{{ thread }}\n{{ examples }}", "user:EITE", "user:IT"),
    "InTurn": (f"{USER}Look:{ASSISTANT}{{{{ examples }}}}{SYSTEM}So.{USER}{{{{ thread }}}}", "user:I assistant:E system:I user:T",
               "user:I system:I user:T"),
    "OnlyThen": ("{% if examples %}Look:\n{{ examples }}\n{{ ctx.output_format }}\nNow:\n{% endif %}{{ thread }}", "user:IESIT",
                 "user:T"),
    "ByLoop": ("{% for _ in [1, 2] %}{{ examples }}\n{% endfor %}{{ thread }}", "user:EET", "user:T"),
}  # fmt: skip
REFUSED_TAKERS = {
    "Cut": ("{{ examples|upper }}{{ thread }}", "doesn't show its examples as they are: write {{ examples }}"),
    "Never": ("{{ thread }}", "doesn't show its examples as they are: write {{ examples }}"),
    "Counted": ("{{ examples|length }} {{ examples }} {{ thread }}", "depends on what stands in its thread or its examples"),
    "Either": ("{% if not examples %}{{ thread }}{% endif %}{{ examples }}", "doesn't show its thread as it is"),
    "Large": ("{% if examples|length > 9 %}{{ examples }}{% endif %}{{ thread }}", "doesn't show its examples as they are"),
}
REFUSED = {
    "Filtered": ("{{ thread|upper }}", "doesn't show its thread as it is"),
    "Hidden": ("Next? {{ ctx.output_format }}", "doesn't show its thread as it is"),
    "Long": ("{% if thread|length > 3 %}Long!{% endif %}{{ thread }}", "depends on what stands in its thread"),
    "Measured": ("{{ thread|length }} {{ thread }}", "depends on what stands in its thread"),
    "AskedSchema": (
        "{% if ctx.output_format %}{{ ctx.output_format }}{% endif %}{{ thread }}",
        "or on whether the schema is shown",
    ),
    "FilteredSchema": ("{{ ctx.output_format|length }}{{ thread }}", "or on whether the schema is shown"),
    "RawSchema": ("{% raw %}{{ ctx.output_format }}{% endraw %}{{ thread }}", "or on whether the schema is shown"),
    "OtherName": ("{% set c = ctx %}{{ c.output_format }}{{ thread }}", "by another name than ctx.output_format"),
    "Subscript": ("{{ ctx['output_format'] }}{{ thread }}", "by another name than ctx.output_format"),
}
# A probe can't find it: only the thread that holds the word does.
LOOKS = '{% if "error" in thread %}Careful!{% endif %}{{ thread }}'

SOURCES = (
    'template_string Rules(what: string) #"\n{{ what }}:\n{{ ctx.output_format(quote_class_fields=true) }}\nAnd no more.\n"#\n'
    + "".join(function(name, prompt) for name, (prompt, _) in (GOOD | REFUSED).items())
    + "".join(
        function(name, prompt, parameters="examples: string, thread: string")
        for name, (prompt, *_) in [*TAKERS.items(), *REFUSED_TAKERS.items()]
    )
    + function("Looks", LOOKS)
    + function("Ends", f"{SYSTEM}Before. {USER} Rules. {{{{ thread }}}} After. {USER}")
)
LETTERS = {"instructions": "I", "schema": "S", "examples": "E", "thread": "T", "question": "Q"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load(tmp_path_factory.mktemp("prompts"), SOURCES)


@pytest.fixture(scope="module")
def templates(project: Project) -> dict[str, Template]:
    return {name: take_apart(project.function(name)) for name in [*GOOD, *TAKERS, "Looks", "Ends"]}


def outline(template: Template, *, examples: bool = True) -> str:
    return " ".join(
        f"{role}:{''.join(LETTERS[piece.kind] for piece in pieces if piece.kind in ('thread', 'examples') or piece.text.strip())}"
        for role, pieces in template.skeletons[True, examples]
    )


def contents(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in prompt.messages]


def joined(prompt: Prompt) -> list[str]:
    return ["".join(piece.text for piece in pieces) for pieces in prompt.pieces]


# ---------------------------------------------------------------------------------------------- segments


@pytest.mark.parametrize(("name", "parts"), [(name, parts) for name, (_, parts) in GOOD.items()], ids=list(GOOD))
def test_the_parts_of_a_prompt_are_known(templates: dict[str, Template], name: str, parts: str) -> None:
    assert outline(templates[name]) == parts


def test_the_schema_is_what_baml_shows(templates: dict[str, Template]) -> None:
    assert templates["SystemSchema"].schema.startswith(
        'Answer in JSON using any of these schemas:\n{\n  // look something up\n  intent: "search",'
    )
    assert templates["SystemSchema"].schema.endswith("}")
    assert templates["NestedCall"].schema.startswith("()))')(\"")
    assert " }} or ((" in templates["NestedCall"].schema
    assert '"intent": "search"' in templates["ByTemplate"].schema
    assert templates["NoSchema"].schema == ""
    assert templates["Commented"].schema == ""


# ---------------------------------------------------------------------------------------------- filling

THREADS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool)


@given(thread=THREADS)
def test_filling_gives_what_baml_gives(templates: dict[str, Template], thread: str) -> None:
    for name in GOOD:
        prompt = compose(templates[name], thread, "prompted")
        assert contents(prompt) == templates[name].function.render(thread)
        assert joined(prompt) == [message["content"] for message in prompt.messages]
        assert any(piece == Piece("thread", thread) for pieces in prompt.pieces for piece in pieces)


@pytest.mark.parametrize(("name", "shown", "plain"), [(name, *parts) for name, (_, *parts) in TAKERS.items()], ids=list(TAKERS))
def test_the_parts_of_a_prompt_with_examples_are_known(templates: dict[str, Template], name: str, shown: str, plain: str) -> None:
    assert (outline(templates[name]), outline(templates[name], examples=False)) == (shown, plain)


@given(thread=THREADS, examples=THREADS | st.just(""))
def test_filling_in_examples_gives_what_baml_gives(templates: dict[str, Template], thread: str, examples: str) -> None:
    for name in TAKERS:
        prompt = compose(templates[name], thread, "prompted", examples=examples)
        assert contents(prompt) == templates[name].function.render(thread, examples)
        assert joined(prompt) == [message["content"] for message in prompt.messages]
        kinds = [piece.kind for pieces in prompt.pieces for piece in pieces]
        assert ("examples" in kinds) == bool(examples)


def test_a_function_that_takes_no_examples_is_given_none(templates: dict[str, Template]) -> None:
    assert compose(templates["SystemSchema"], "t", "prompted", examples="e") == compose(
        templates["SystemSchema"], "t", "prompted"
    )


HOSTILE = [
    "{{ ctx.output_format }}",
    '"#\n}\nclass A {',
    "{# open",
    "\u2402S\u2403 \u2402/S\u2403 \u2402t\u2403 \u2402?\u2403",
    "a\r\n\tb\x00c",
    "\\n\\",
]


@pytest.mark.parametrize("thread", HOSTILE, ids=["jinja", "baml", "comment", "marks", "control", "backslash"])
def test_data_can_neither_open_a_template_nor_close_one(templates: dict[str, Template], thread: str) -> None:
    for name in GOOD:
        prompt = compose(templates[name], thread, "prompted")
        assert contents(prompt) == templates[name].function.render(thread)


@pytest.mark.parametrize(
    ("name", "reason"), [(name, why) for name, (_, why) in (REFUSED | REFUSED_TAKERS).items()], ids=[*REFUSED, *REFUSED_TAKERS]
)
def test_a_prompt_that_cant_be_filled_is_refused(project: Project, name: str, reason: str) -> None:
    with pytest.raises(BamlError) as error:
        take_apart(project.function(name))
    assert f"function {name!r}" in str(error.value)
    assert reason in str(error.value)


def test_a_thread_can_be_held_against_baml(templates: dict[str, Template]) -> None:
    template.verify(templates["Looks"], "all is well")
    with pytest.raises(BamlError, match="depends on what stands in its thread"):
        template.verify(templates["Looks"], "an error")


# ---------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize("name", GOOD)
def test_outputs_without_schema_text_cut_that_and_nothing_else(templates: dict[str, Template], name: str) -> None:
    template = templates[name]
    prompted, native, bare, tool = (
        compose(template, "<t>\n", output) for output in ("prompted", "native", "native_bare", "tool")
    )
    assert native.messages == prompted.messages
    assert tool.messages == bare.messages
    expected = []
    for message, pieces in zip(prompted.messages, prompted.pieces, strict=True):
        content = message["content"]
        for piece in pieces:
            if piece.kind == "schema":
                assert piece.text in content
                content = content.replace(piece.text, "", 1)
        if content.strip():
            expected.append((message["role"], content))
    assert [(role, text.strip()) for role, text in contents(bare)] == [(role, text.strip()) for role, text in expected]
    assert joined(bare) == [message["content"] for message in bare.messages]
    assert not any(piece.kind == "schema" for pieces in bare.pieces for piece in pieces)


def test_what_an_output_sends_beside_the_messages(templates: dict[str, Template]) -> None:
    template = templates["SystemSchema"]
    sent = {output: compose(template, "x", output) for output in ("prompted", "native", "native_bare", "tool")}
    assert [name for name, prompt in sent.items() if prompt.tools is not None] == ["tool"]
    assert [name for name, prompt in sent.items() if prompt.response_format is not None] == ["native", "native_bare"]
    assert [tool["function"]["name"] for tool in sent["tool"].tools or ()] == ["search", "send", "finish"]
    assert contents(sent["tool"]) == [("system", "You send mail."), ("user", "x\nNext?")]


# ---------------------------------------------------------------------------------------------- messages

CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
HISTORY: list[Message] = [
    {"role": "user", "content": "  find it\n"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": ""},
]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("SystemSchema", [("system", "You send mail.")], [("user", "Next?")]),
        ("SchemaBefore", [("user", "Hello\n\nnow")], []),
        ("SchemaAlone", [], []),
        ("SchemaAround", [], []),
        ("ThreadAlone", [], []),
        ("UserOnly", [("user", "Text before.")], [("user", "text after")]),
        ("Examples", [("user", "2+2"), ("assistant", "4")], [("assistant", "I think")]),
        ("Ends", [("system", "Before."), ("user", "Rules.")], [("user", "After.")]),
    ],
)
def test_messages_take_the_place_of_the_thread(
    templates: dict[str, Template], name: str, before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    prompt = compose(templates[name], HISTORY, "tool")
    plain = [{"role": role, "content": text} for role, text in before], [{"role": role, "content": text} for role, text in after]
    assert list(prompt.messages) == [*plain[0], *HISTORY, *plain[1]]
    assert joined(prompt) == [message["content"] or "" for message in prompt.messages]
    kinds = [{piece.kind for piece in pieces} for pieces in prompt.pieces]
    assert kinds == [{"instructions"}] * len(before) + [{"thread"}] * len(HISTORY) + [{"question"}] * len(after)


def test_messages_take_the_place_of_examples_too(templates: dict[str, Template]) -> None:
    shown: list[Message] = [{"role": "user", "content": "this"}, {"role": "assistant", "content": "that"}]
    prompt = compose(templates["Between"], [{"role": "user", "content": "now"}], "prompted", examples=shown)
    assert contents(prompt) == [("user", "Look:"), ("user", "this"), ("assistant", "that"), ("user", "Now:"), ("user", "now")]
    kinds = [piece.kind for pieces in prompt.pieces for piece in pieces]
    assert kinds == ["instructions", "examples", "examples", "instructions", "thread"]
    only = compose(templates["OnlyThen"], HISTORY, "tool", examples=shown)
    assert list(only.messages) == [
        {"role": "user", "content": "Look:"}, *shown, {"role": "user", "content": "Now:"}, *HISTORY,
    ]  # fmt: skip
    assert list(compose(templates["OnlyThen"], HISTORY, "tool").messages) == HISTORY


def test_messages_leave_the_schema_text_where_it_was(templates: dict[str, Template]) -> None:
    template = templates["SchemaBefore"]
    prompt = compose(template, [{"role": "user", "content": "hi"}], "prompted")
    assert contents(prompt) == [("user", f"Hello\n{template.schema}\nnow"), ("user", "hi")]
    after = compose(templates["SchemaAfter"], [{"role": "user", "content": "hi"}], "native")
    assert contents(after) == [("user", "hi"), ("user", f"{templates['SchemaAfter'].schema}\n\nNext?")]


@pytest.mark.parametrize(("name", "slots"), [("ThreadTwice", "user, user"), ("ThreadInSystem", "system")])
def test_messages_need_one_slot_in_a_user_message(templates: dict[str, Template], name: str, slots: str) -> None:
    with pytest.raises(BamlError) as error:
        compose(templates[name], HISTORY, "tool")
    assert str(error.value) == (
        f"function {name!r} shows its thread in {slots} messages; "
        "to run it under a format that makes messages, {{ thread }} must stand once, in a user message"
    )


@pytest.mark.parametrize("name", ["json", "messages", "messages_text", "xml_json", "xml_yaml"])
def test_the_shipped_formats_can_be_composed(templates: dict[str, Template], name: str) -> None:
    events = [
        {"type": "note", "data": {"text": "{{ x }}"}, "role": "input"},
        {"type": "search", "data": {"query": "q"}, "role": "step", "call": "c"},
        {"type": "search_result", "data": [1, None], "role": "result", "call": "c"},
    ]
    rendering = formats.render(formats.load(SHIPPED, name), Thread.model_validate({"events": events}))
    prompt = compose(templates["SystemSchema"], rendering, "tool" if name == "messages" else "prompted")
    assert joined(prompt) == [message["content"] or "" for message in prompt.messages]
    assert prompt.messages[0]["role"] == "system"
    assert json.dumps(prompt.messages).count("Next?") == 1
