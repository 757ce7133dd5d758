"""`test` blocks, read as BAML reads them: what a model is sent says how that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.importers.baml.blocks import BamlTest, read_tests
from phrasing.project.export_tests import TestBlocks
from support.baml_tests import BAML, baml_test

ONE = """
// test Commented {
class Find {
  intent "find" @description(#"test Said {"#)
}

test One {
  functions [
    Mail, "Other" // and this
  ]
  type_builder {
    class Extra { field string @description("}") }
  }
  args {
    thread #"
      <a>
        b
      </a>
    "#
    "locale": de
    most 3, price -1.5
    formal true
    none null
    words ["a", b c, #"d "e""#,]
    {// place { //}
    place {
      name "x"
      point {x 1}
    }
  }
  // @@assert(no, {{ false }})
  @@assert({{ this.intent == 'http://x' }})
  @@check(name,
    {{ this.to == "}" }}
  ) // }
}  test Two { functions [Mail] args { thread hello there } }
"""


def test_a_test_is_read() -> None:
    assert list(read_tests(ONE)) == [
        (
            7,
            BamlTest(
                "One",
                ("Mail", "Other"),
                {
                    "thread": "<a>\n  b\n</a>",
                    "locale": "de",
                    "most": 3,
                    "price": -1.5,
                    "formal": True,
                    "none": None,
                    "words": ["a", "b c", 'd "e"'],
                    "place": {"name": "x", "point": {"x": 1}},
                },
                ("this.intent == 'http://x'", 'this.to == "}"'),
            ),
        ),
        (36, BamlTest("Two", ("Mail",), {"thread": "hello there"}, ())),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "test A { args [1] functions [B] }",
        "test A { functions [B] args { ( } }",
        "test A {\n  !\n}",
        f"test A {{ args {'[' * 5000} }}",
    ],
    ids=["no map", "no name", "no key", "deep"],
)
def test_what_is_written_otherwise_is_none(source: str) -> None:
    after = "\ntest B { functions C }"
    assert list(read_tests(source + after))[-1] == (source.count("\n") + 2, BamlTest("B", ("C",), {}, ()))
    assert next(read_tests(source)) == (1, None)


TEXTS = [
    '#"\n      x: 1\n        y\n\n      z  \n    "#',
    '#" x\n      y\n    z "#',
    '#"x\n      y\n      z "#',
    '#"\n\n\t x\n\t y"#',
    '##"a"#b"##',
    '#"it\'s // "x" {// y //} {{ z }}"#',
    '"a\\"b\\\\c\\nd\\te\\u0041 f\\qg\\/"',
    '"  x  "',
    "hello",
    "hello there // world",
    "http://x.example/y",
    "12",
    ": x",
]


@pytest.mark.slow
def test_texts_are_what_baml_makes_of_them(tmp_path: Path) -> None:
    tests = "".join(
        f"test mail_{i} {{\n  functions [Find]\n  args {{\n    thread {text}\n  }}\n}}\n" for i, text in enumerate(TEXTS)
    )
    (tmp_path / "baml_src").mkdir()
    # a model is sent no white space around a message
    (tmp_path / "baml_src" / "main.baml").write_text(BAML.replace("{{ thread }}", "<{{ thread }}>"), "utf-8")
    _, prompts = baml_test(tmp_path, TestBlocks(tests, len(TEXTS), ()))
    read = [test.arguments["thread"] for _, test in read_tests(tests) if test]
    assert sorted(prompts) == sorted(f"<{text}>" for text in read)
