"""Texts of BAML files: code told from comments and strings, and blocks that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.baml import sources
from support.small_projects import CLIENT, STEPS, cache, function, load, write  # noqa: F401

QUIET = {
    "line": 'a // generator g {\nb "x"',
    "doc": "a /// }\nb",
    "block": "a {// generator g {\n } //} b",
    "string": 'a "generator g { \\" }" b',
    "raw": 'a #"generator g {\n } " "#b',
    "hashes": 'a ##"one "# generator g {"## b',
    "jinja": "a {{ '//' ~ \"}\" ~ '\n generator g {' }} b",
}


@pytest.mark.parametrize("source", QUIET.values(), ids=QUIET)
def test_comments_and_strings_are_no_code(source: str) -> None:
    code = sources.only_code(source)
    assert len(code) == len(source)
    assert code.count("\n") == source.count("\n")
    assert code.split() == ["a", "b"]
    assert sources.without_blocks(source, "generator") == source


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        'generator g {\n  output_type "python/pydantic"\n  output_dir "../}"\n  version "0.1.0"\n}',
        "generator g {\n  output_type rest/openapi\n  output_dir ../y // }\n  version 0.80.0\n  /// }\n}",
        '  generator   g{\n  output_type "go"\n  {// } //}\n  }',
        'generator g\n{\n  output_type "go"\n  on_generate #"echo "}" && rm x"#\n}',
    ],
    ids=["usual", "unquoted", "indented", "next line"],
)
def test_generators_are_left_out_whatever_they_hold(tmp_path: Path, block: str) -> None:
    source = CLIENT + STEPS + f"{block}\n" + function("Mail")
    left = sources.without_blocks(source, "generator")
    assert (left.count("\n"), len(left)) == (source.count("\n"), len(source))
    assert "generator" not in left
    assert "".join(left.split()) == "".join((CLIENT + STEPS + function("Mail")).split())
    assert list(load(tmp_path, {"main.baml": source}).functions) == ["Mail"]


def test_an_attribute_counts_where_it_is_code() -> None:
    assert sources.uses('class A {\n  x int\n    @alias("y")\n}', "@alias")
    assert sources.uses("class A {\n  @@assert(a, {{ true }})\n}", "@assert")
    quiet = '// @alias\nclass A {\n  x int @description("@alias") // @alias\n}\ntest T {\n  @@assert(a, {{ true }})\n}'
    assert not sources.uses(quiet, "@alias")
    assert not sources.uses(quiet, "@assert")
    assert not sources.uses("class A {\n  x int @aliased\n}", "@alias")


def test_only_fields_of_classes_are_renamed_for_python() -> None:
    fields = 'class A {\n  from string // from int\n  x int\n  import int? @alias("from")\n}\n'
    source = fields + 'template_string T() #"\n  from here\n"#'
    assert sources.for_python(source, "_") == source.replace("from string", "from_ string").replace("import int", "import_ int")


# ---------------------------------------------------------------------------------------------- as people have them


def test_line_ends_and_byte_order_marks_change_nothing(tmp_path: Path) -> None:
    text = CLIENT + STEPS + function("Mail")
    plain = load(tmp_path / "plain", {"main.baml": text})
    for name, changed in {"crlf": text.replace("\n", "\r\n"), "bom": "\ufeff" + text}.items():
        write(tmp_path / name, {"baml_src/x": ""})
        (tmp_path / name / "baml_src" / "main.baml").write_bytes(changed.encode())
        found = load(tmp_path / name, {})
        assert found.digests == plain.digests
        assert found.function("Mail").render("t") == plain.function("Mail").render("t")
        assert found.function("Mail").tools == plain.function("Mail").tools


def test_clients_policies_templates_and_tests_are_let_be(tmp_path: Path) -> None:
    clients = """
retry_policy Twice {
  max_retries 2
  strategy {
    type exponential_backoff
  }
}
client<llm> Local {
  provider openai-generic
  retry_policy Twice
  options {
    base_url http://127.0.0.1/v1 // {
    model none
    api_key env.NO_SUCH_KEY
  }
}
client<llm> Either {
  provider fallback
  options {
    strategy [Local, Nobody]
  }
}
client<llm> Cloud {
  provider vertex-ai
  options {
    model "m"
    location "nowhere"
  }
}
template_string Rules(who: string) #"
  You are {{ who }}.
"#
test Asks {
  functions [Mail, Short, Clouded]
  args {
    thread #"generator g { "x": 1"#
  }
  @@assert(asks, {{ this.intent == "search" }})
}
"""
    prompt = "{{ Rules('a clerk') }}\n{{ ctx.output_format }}\n{{ thread }}"
    mail = function("Mail", prompt)
    files = {
        "main.baml": CLIENT + STEPS,
        "a/b/clients.baml": clients,
        "a/mail.baml": mail.replace("client Nobody", "client Either"),
        "a/short.baml": function("Short", prompt).replace("client Nobody", 'client "anthropic/claude"'),
        "c.baml": function("Clouded", prompt).replace("client Nobody", "client Cloud"),
    }
    project = load(tmp_path, files)
    assert (list(project.functions), project.unsupported) == (["Clouded", "Mail", "Short"], {})
    for name in project.functions:
        ((role, text),) = project.function(name).render("T")
        assert (role, text[:14], text[-1]) == ("user", "You are a cler", "T")
    assert not project.functions["Mail"].asserts
