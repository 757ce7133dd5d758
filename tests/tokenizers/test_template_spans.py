"""What a chat template makes of a prompt is taken apart: every byte has its owner, whatever the template does to contents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import ModelError
from phrasing.tokenizers.chat_template import ChatTemplate
from phrasing.tokenizers.template_spans import Layout
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.types import Message, Piece, Prompt
from support import tiny_tokenizers as trained
from tokenizers import Tokenizer

# in the manner of Qwen's: a system message of its own, tools in it, results of tools as the user's words
CHATML = r"""
{%- if tools %}{{ '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% else %}{{ 'You help.' }}{% endif %}
{{- '\n\n# Tools\n' }}{% for tool in tools %}{{ tool | tojson }}{{ '\n' }}{% endfor %}{{ 'Call them.<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- else %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}
{%- for message in messages %}{% if not (loop.first and message.role == 'system') %}
{%- if message.role == 'tool' %}{{ '<|im_start|>user\n<result>\n' + message.content + '\n</result><|im_end|>\n' }}
{%- else %}{{ '<|im_start|>' + message.role + '\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{{- '\n<call>\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\n</call>' }}
{%- endfor %}{{ '<|im_end|>\n' }}{% endif %}{% endif %}{% endfor %}{{ '<|im_start|>assistant\n' }}"""

STRIPPING = "{% for m in messages %}<{{ m.role }}>\n{{ (m.content or '') | trim }}\n{% endfor %}<answer>\n"
AS_JSON = "{% for m in messages %}<{{ m.role }}>{{ m.content | tojson }}{% endfor %}<answer>"
TWICE = "{% for m in messages %}{{ m.content }}{% endfor %}--{% for m in messages %}{{ m.content }}{% endfor %}"
BY_KEY = r"""
{%- for m in messages %}<{{ m.role }}>{{ m.content or '' }}
{%- for call in m.tool_calls or [] %}{{ '\n<function=' ~ call.function.name ~ '>\n' }}
{%- for key, value in call.function.arguments.items() %}{{ '<' ~ key ~ '>\n' ~ value ~ '\n</' ~ key ~ '>\n' }}{% endfor %}
{{- '</function>' }}{% endfor %}{% endfor %}<answer>"""
AS_TEXT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}{% for call in m.tool_calls or [] %}"
    "[{{ call.function.name }}: {{ call.function.arguments | tojson | tojson }}]{% endfor %}{% endfor %}<answer>"
)
TOOL = {"type": "function", "function": {"name": "ask", "description": "ask <somebody>", "parameters": {"type": "object"}}}


def template(text: str) -> ChatTemplate:
    return ChatTemplate("mine", {"default": (Path("mine"), text)}, {})


def said(role: str, *pieces: Piece, **more: Any) -> tuple[Message, tuple[Piece, ...]]:
    return {"role": role, "content": "".join(piece.text for piece in pieces), **more}, pieces


def called(name: str, arguments: str, content: str | None = None) -> tuple[Message, tuple[Piece, ...]]:
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": content, "tool_calls": [call]}, (Piece("thread", content or ""),)


def prompt(*messages: tuple[Message, tuple[Piece, ...]], tools: tuple[dict[str, Any], ...] | None = None) -> Prompt:
    return Prompt(messages=tuple(m for m, _ in messages), pieces=tuple(p for _, p in messages), tools=tools)


def owned(written: str, sent: Prompt) -> list[tuple[str, str]]:
    """Give the text in parts, with the kind of the piece of each; neighbours of one owner as one."""
    applied = template(written)
    parts, pieces = Layout("mine", applied).read(sent)
    assert "".join(text for _, text in parts) == applied(sent.messages, sent.tools)
    shown: list[tuple[str, str]] = []
    for owner, text in parts:
        kind = "framing" if owner is None else f"{pieces[owner].kind} {owner}"
        if text and shown and shown[-1][0] == kind:
            shown[-1] = (kind, shown[-1][1] + text)
        elif text:
            shown.append((kind, text))
    return shown


FRAMED = prompt(
    said("system", Piece("instructions", "Be brief."), Piece("schema", "\n{a}")),
    said("user", Piece("thread", "hello"), Piece("question", "\n\nNext?")),
)


def test_contents_are_cut_as_their_messages_are() -> None:
    assert owned(CHATML, FRAMED) == [
        ("framing", "<|im_start|>system\n"),
        ("instructions 0", "Be brief."),
        ("schema 1", "\n{a}"),
        ("framing", "<|im_end|>\n<|im_start|>user\n"),
        ("thread 2", "hello"),
        ("question 3", "\n\nNext?"),
        ("framing", "<|im_end|>\n<|im_start|>assistant\n"),
    ]


def test_all_that_tools_add_is_schema() -> None:
    sent = prompt(*zip(FRAMED.messages, FRAMED.pieces, strict=True), tools=(TOOL,))
    shown = owned(CHATML, sent)
    inserted = f"\n\n# Tools\n{json.dumps(TOOL)}\nCall them."
    assert shown[3] == ("schema 0", inserted)
    assert [part for part in shown if part[0] != "schema 0"] == [
        (f"{kind.split()[0]} {int(kind.split()[1]) + 1}" if " " in kind else kind, text) for kind, text in owned(CHATML, FRAMED)
    ]
    assert Layout("mine", template(CHATML)).read(sent)[1][0] == Piece("schema", inserted)


def test_a_message_that_the_template_adds_is_framing() -> None:
    assert owned(CHATML, prompt(said("user", Piece("thread", "x"))))[0] == (
        "framing",
        "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\n",
    )


CALLS = prompt(
    said("user", Piece("thread", "go")),
    called("ask", '{"a":{"b":"}\\n</call>"},"c":1}'),
    ({"role": "tool", "tool_call_id": "c1", "content": "done"}, (Piece("thread", "done"),)),
    called("ask", "{}", "well"),
    ({"role": "tool", "tool_call_id": "c1", "content": '{"x": 1}'}, (Piece("thread", '{"x": 1}'),)),
)


def test_arguments_that_are_written_anew_belong_to_the_thread() -> None:
    shown = owned(CHATML, CALLS)
    assert [part for part in shown if part[0] != "framing"] == [
        ("thread 0", "go"),
        ("thread 1", "ask"),
        ("thread 1", '{"a": {"b": "}\\n</call>"}, "c": 1}'),
        ("thread 2", "done"),
        ("thread 3", "well"),
        ("thread 3", "ask"),
        ("thread 3", "{}"),
        ("thread 4", '{"x": 1}'),
    ]
    assert ("framing", "}\n</call><|im_end|>\n<|im_start|>user\n<result>\n") in shown


@pytest.mark.parametrize(
    ("written", "arguments", "inside"),
    [
        (BY_KEY, '{"to":"me","n":2}', "to>\nme\n</to>\n<n>\n2\n</n>\n<"),
        (BY_KEY, "{}", ""),
        (AS_TEXT, '{"to":"me"}', '{\\"to\\": \\"me\\"}'),
    ],
    ids=["by key", "by key, none", "as text"],
)
def test_arguments_may_be_written_in_any_way(written: str, arguments: str, inside: str) -> None:
    shown = owned(written, prompt(said("user", Piece("thread", "go")), called("ask", arguments)))
    assert shown[1:4:2] == [("thread 0", "go"), ("thread 1", "ask")]
    assert "".join(text for kind, text in shown[4:] if kind == "thread 1") == inside


def test_a_template_may_strip_contents() -> None:
    sent = prompt(said("user", Piece("instructions", "\n  a "), Piece("thread", "b "), Piece("question", " \t")))
    assert owned(STRIPPING, sent) == [
        ("framing", "<user>\n"),
        ("instructions 0", "a "),
        ("thread 1", "b"),
        ("framing", "\n<answer>"),
    ]


def test_servers_in_other_languages_strip_less_than_python() -> None:
    def apply(messages: Sequence[Message], tools: Any) -> str:
        stripped = [message["content"].strip(" \t\n\r\f\v") for message in messages]
        return "<user>" + "".join(stripped) + "<answer>"

    sent = prompt(said("user", Piece("instructions", "\u2003a"), Piece("thread", "b\u00a0 ")))
    parts, _ = Layout("mine", apply).read(sent)
    assert parts == [(None, "<user>"), (0, "\u2003a"), (1, "b\u00a0"), (None, "<answer>")]


def test_a_template_may_write_contents_as_json() -> None:
    sent = prompt(said("user", Piece("instructions", 'say "é"\n'), Piece("thread", "x")), said("user", Piece("thread", '"')))
    assert owned(AS_JSON, sent) == [
        ("framing", '<user>"'),
        ("instructions 0", 'say \\"é\\"\\n'),
        ("thread 1", "x"),
        ("framing", '"<user>"'),
        ("thread 2", '\\"'),
        ("framing", '"<answer>'),
    ]


def test_a_template_may_show_a_content_twice() -> None:
    assert owned(TWICE, prompt(said("user", Piece("instructions", "a"), Piece("thread", "b")))) == [
        ("instructions 0", "a"),
        ("thread 1", "b"),
        ("framing", "--"),
        ("instructions 0", "a"),
        ("thread 1", "b"),
    ]


@pytest.mark.parametrize(
    ("written", "content", "said_"),
    [
        ("{{ messages[0].content | upper }}", "hello", r"wanted '.*' at character 0 of the prompt, found 'HELLO'"),
        ("{{ messages[0].content.split('</think>') | last }}!", "a</think>b", "wanted 'a</think>b' at character 0"),
        ("{{ messages[0].content }}{% if '!' in messages[0].content %} So!{% endif %}", "a!", "wanted the end at character 2"),
    ],
    ids=["upper", "thinking", "looks into it"],
)
def test_a_template_that_changes_a_content_is_refused(written: str, content: str, said_: str) -> None:
    layout = Layout("mine", template(written))
    with pytest.raises(ModelError, match=rf"tokenizer 'mine': its chat template changes what a message says: {said_}"):
        layout.read(prompt(said("user", Piece("thread", content))))


def test_data_may_hold_what_the_template_writes() -> None:
    text = "a<|im_end|>\n<|im_start|>user\nb"
    assert ("thread 0", text) in owned(CHATML, prompt(said("user", Piece("thread", text))))


# ---------------------------------------------------------------------------------------------- any prompt

TEXTS = st.text(max_size=12) | st.sampled_from(["\n\n", "<|im_end|>\n", '{"a": 1}', "🚀 the", "}\n</call>", " x "])
KINDS = st.sampled_from(["instructions", "schema", "thread", "question"])
PIECES = st.lists(st.builds(Piece, KINDS, TEXTS), min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(st.text(max_size=5), TEXTS | st.integers() | st.lists(TEXTS, max_size=2), max_size=3).map(json.dumps)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    messages = []
    for role in draw(st.lists(st.sampled_from(["system", "user", "call"]), min_size=1, max_size=4)):
        if role == "call":
            messages.append(called(draw(st.sampled_from(["ask", "send_mail"])), draw(ARGUMENTS), draw(st.none() | TEXTS)))
            content = draw(TEXTS)
            messages.append(({"role": "tool", "tool_call_id": "c1", "content": content}, (Piece("thread", content),)))
        else:
            messages.append(said(role, *draw(PIECES)))
    return prompt(*messages, tools=draw(st.none() | st.just((TOOL, TOOL))))


@pytest.mark.parametrize("written", [CHATML, BY_KEY], ids=["chatml", "by key"])
@given(sent=prompts())
def test_every_part_is_a_piece_of_its_own_or_framing(written: str, sent: Prompt) -> None:
    applied = template(written)
    parts, pieces = Layout("mine", applied).read(sent)
    text = "".join(text for _, text in parts)
    assert text == applied(sent.messages, sent.tools).encode("utf-8", "replace").decode()
    first = len(pieces) - sum(map(len, sent.pieces))
    for i, message in enumerate(sent.messages):
        for piece in sent.pieces[i]:
            mine = "".join(part for owner, part in parts if owner == first)
            called = message.get("tool_calls")
            assert mine.startswith(piece.text) if called else mine == piece.text
            assert not called or called[0]["function"]["name"] in mine
            first += 1


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | None], Path]:
    @cache
    def make(written: str | None) -> Path:
        path = trained.save(trained.byte_level(), tmp_path_factory.mktemp("model"))
        if written is not None:
            (path.parent / "tokenizer_config.json").write_text(json.dumps({"chat_template": written}))
        return path

    return make


@given(sent=prompts())
def test_an_exact_count_is_that_of_the_whole_text(model: Callable[[str | None], Path], sent: Prompt) -> None:
    path = str(model(CHATML))
    exact, library = open_tokenizer(path), Tokenizer.from_file(path)
    library.no_truncation()
    library.no_padding()
    text = template(CHATML)(sent.messages, sent.tools)
    read = exact.tokenize(sent)
    assert read.text.decode() == text
    assert list(read.ids) == library.encode(text, add_special_tokens=False).ids
    assert exact.count(sent) == read.counts
    assert read.counts.total == len(read.ids)


def test_a_file_with_its_template_is_exact_and_without_an_estimate(model: Callable[[str | None], Path]) -> None:
    with_it, without = (open_tokenizer(str(model(written))) for written in (CHATML, None))
    assert (with_it.exact, without.exact) == (True, False)
    assert with_it.count(FRAMED).instructions == without.count(FRAMED).instructions > 0
    assert with_it.count(FRAMED).framing != without.count(FRAMED).framing
    assert [one.name for one in (with_it, without)] == [str(model(CHATML)), str(model(None))]
