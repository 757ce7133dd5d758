"""Chat templates: found where models keep them, applied as transformers does, and clear about what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import ModelError
from phrasing.tokenizers.chat_template import load
from phrasing.types import Message

MESSAGES: list[Message] = [{"role": "user", "content": "<a> & 'b'"}, {"role": "assistant", "content": "é"}]
TOOL = {"type": "function", "function": {"name": "ask", "description": "<é>"}}


def written(folder: Path, template: Any = None, *, jinja: str | None = None, **config: Any) -> Path:
    if template is not None or config:
        config |= {"chat_template": template} if template is not None else {}
        (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    if jinja is not None:
        (folder / "chat_template.jinja").write_text(jinja, "utf-8")
    return folder


def applied(folder: Path, messages: list[Message] = MESSAGES, tools: list[dict[str, Any]] | None = None) -> str:
    template = load("mine", folder)
    assert template is not None
    return template(messages, tools)


ROLES = "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"


def test_without_a_template_there_is_none(tmp_path: Path) -> None:
    assert load("mine", tmp_path) is None
    assert load("mine", written(tmp_path, bos_token="<s>")) is None


def test_a_template_is_a_text_in_the_configuration(tmp_path: Path) -> None:
    assert applied(written(tmp_path, ROLES)) == "[user]<a> & 'b'[assistant]é"


def test_the_newer_file_comes_first(tmp_path: Path) -> None:
    assert applied(written(tmp_path, "old", jinja="new")) == "new"


def test_of_named_templates_that_for_tools_is_used_with_tools(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]
    folder = written(tmp_path, named)
    assert [applied(folder), applied(folder, tools=[TOOL])] == ["plain", "tools"]
    assert applied(written(tmp_path, named[:1]), tools=[TOOL]) == "plain"


def test_special_tokens_are_texts_or_objects(tmp_path: Path) -> None:
    tokens = {"bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>", "pad_token": None}
    assert applied(written(tmp_path, "{{ bos_token }}{{ eos_token }}{{ pad_token }}", **tokens)) == "<s></s>"


def test_a_template_has_what_transformers_gives_it(tmp_path: Path) -> None:
    template = """
        {%- for tool in tools %}
            {{- tool.function | tojson }}
        {%- endfor %}
        {% if add_generation_prompt %}
        {{- tools | tojson(indent=1) | length }}
        {% endif %}
        {%- for n in [1, 2, 3] %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}
        {%- generation %} answer{% endgeneration %}
        {{- ' ' ~ (strftime_now('%Y') | length) }}
        {%- set kept = namespace(found=false) %}{% set kept.found = true %}{{ kept.found }}"""
    shown = applied(written(tmp_path, template), tools=[TOOL])
    length = len(json.dumps([TOOL], indent=1, ensure_ascii=False))
    assert shown.split() == ['{"name":', '"ask",', '"description":', f'"<é>"}}{length}', "1", "answer", "4True"]


def test_arguments_of_calls_are_objects(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "ask", "arguments": '{"b":1,"a":"é"}'}}
    messages: list[Message] = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    template = "{% set called = messages[0].tool_calls[0].function %}{{ called.arguments.b }} {{ called.arguments | tojson }}"
    assert applied(written(tmp_path, template), messages) == '1 {"b": 1, "a": "é"}'
    assert call["function"]["arguments"] == '{"b":1,"a":"é"}'  # type: ignore[index]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('no system role here') }}", "fails on this prompt: no system role here"),
        ("{{ messages[9].content }}", "fails on this prompt: .*has no element 9"),
        ("{{ messages[0].content + none }}", "fails on this prompt: can only concatenate"),
        ("{{ messages.append(1) }}", "fails on this prompt: .*not safely callable|fails on this prompt: .*append"),
        ("{{ ''.__class__.__mro__ }}", "fails on this prompt: .*unsafe"),
        ("{% if %}", "isn't Jinja: "),
    ],
    ids=["raises", "undefined", "none", "changes", "reaches out", "syntax"],
)
def test_a_template_that_fails_is_named_with_what_it_said(tmp_path: Path, template: str, said: str) -> None:
    written(tmp_path, template)
    with pytest.raises(
        ModelError, match=f"^{tmp_path}/tokenizer_config.json: tokenizer 'mine': its chat template ({said})"
    ) as caught:
        applied(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    written(tmp_path, jinja="a\nb {% endfor %}")
    with pytest.raises(ModelError, match=r"chat_template\.jinja:2: tokenizer 'mine': its chat template isn't Jinja"):
        load("mine", tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"chat_template": 7}', "chat_template is neither a text nor a list of named ones"),
        ('{"chat_template": [{"name": "default"}]}', "chat_template is neither a text nor a list of named ones"),
        ('{"chat_template": [{"name": "rag", "template": ""}]}', "there is no chat template named 'default'"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(ModelError, match=rf"tokenizer_config\.json: tokenizer 'mine': {said}"):
        load("mine", tmp_path)
