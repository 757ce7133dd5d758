"""`phrasing import-tools` and `phrasing tools`: what is written, what is said, what is left as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phrasing.baml.project import load_project
from phrasing.cli import main
from phrasing.prompts import template
from support.small_projects import CLIENT, STEPS, cache, function, write

__all__ = ["cache"]

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "orders.find",
            "description": "Find an order.",
            "parameters": {
                "type": "object",
                "properties": {"zip": {"type": "string", "pattern": "^\\d{5}$"}, "intent": {"type": "string"}},
                "required": ["zip"],
            },
        },
    },
    {"type": "web_search"},
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"tools.json": json.dumps(TOOLS)})
    return tmp_path


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=input)


def test_tools_become_a_function_and_what_changed_is_said(here: Path) -> None:
    write(here, {"policy.txt": "Be kind to {{ people }}.\r\n"})
    done = run("import-tools", "tools.json", "-o", "baml_src/my-shop.baml", "--instructions", "policy.txt")
    assert done.output == (
        "baml_src/my-shop.baml: function DetermineNextStepMyShop, 1 tool, 2 classes and types\n"
        "Renamed:\n"
        "  tool 'orders.find' is 'orders_find'\n"
        "Not said:\n"
        "  orders.find: zip: pattern can't be checked, said in the description\n"
        "Left out:\n"
        "  tools.json: [1]: web_search: a tool of type 'web_search' has no JSON Schema of arguments\n"
        "Look at it: phrasing tools DetermineNextStepMyShop --baml-src baml_src\n"
    )
    assert done.exit_code == 0
    made = load_project(here / "baml_src").function("DetermineNextStepMyShop")
    assert list(made.steps) == ["orders_find", "respond"]
    assert made.render("x")[0][1].startswith("Be kind to {{ people }}.\n\nAnswer in JSON using any of these schemas:")
    template.take_apart(made)


def test_standard_input_another_name_and_no_step_for_text(here: Path) -> None:
    done = run("import-tools", "-", "-o", "steps.baml", "--name", "Pick", "--no-text", input=json.dumps(TOOLS[:1]))
    assert done.exit_code == 0, done.output
    assert list(load_project(here).function("Pick").steps) == ["orders_find"]


def test_a_project_that_is_there_keeps_its_names_and_lends_its_client(here: Path) -> None:
    write(here, {"baml_src/mail.baml": CLIENT + STEPS + function("Mail") + "class OrdersFind {\n  x int\n}\n"})
    done = run("import-tools", "tools.json", "-o", "baml_src/sub/shop.baml", "--text", "say.words")
    assert done.exit_code == 0, done.output
    text = (here / "baml_src/sub/shop.baml").read_text("utf-8")
    assert "client Nobody\n" in text
    assert "client<llm>" not in text
    assert "class ShopOrdersFind {" in text
    assert set(load_project(here / "baml_src").functions) == {"Mail", "DetermineNextStepShop"}


def test_a_file_is_written_over_only_by_force(here: Path) -> None:
    write(here, {"baml_src/shop.baml": "// mine\n"})
    done = run("import-tools", "tools.json", "-o", "baml_src/shop.baml")
    assert (done.exit_code, done.output) == (2, "error: baml_src/shop.baml is there already; --force writes over it\n")
    assert (here / "baml_src/shop.baml").read_text("utf-8") == "// mine\n"
    assert run("import-tools", "tools.json", "-o", "baml_src/shop.baml", "--force").exit_code == 0
    again = run("import-tools", "tools.json", "-o", "baml_src/shop.baml", "--force")
    assert again.exit_code == 0
    assert "class OrdersFind {" in (here / "baml_src/shop.baml").read_text("utf-8")


@pytest.mark.parametrize("before", [None, "// mine\n"])
def test_what_does_not_compile_is_not_left_behind(here: Path, before: str | None) -> None:
    write(here, {"baml_src/broken.baml": "class X {\n"} | ({} if before is None else {"baml_src/shop.baml": before}))
    done = run("import-tools", "tools.json", "-o", "baml_src/shop.baml", "--force")
    assert done.exit_code == 2
    assert "(nothing is written)" in done.output
    shop = here / "baml_src/shop.baml"
    assert (shop.read_text("utf-8") if shop.exists() else None) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tools.json", "-o", "x.txt"], "--output 'x.txt' isn't a .baml file"),
        (["no.json", "-o", "x.baml"], "no.json: can't be read: No such file or directory"),
        (["latin.json", "-o", "x.baml"], "latin.json: isn't UTF-8"),
        (["tools.json", "-o", "x.baml", "--text", "a.b", "--no-text"], "--text and --no-text exclude each other"),
        (["tools.json", "-o", "x.baml", "--name", "a b"], "'a b' can't be the name of a function"),
    ],
)
def test_mistakes(here: Path, arguments: list[str], message: str) -> None:
    (here / "latin.json").write_bytes(b'["\xe9"]')
    done = run("import-tools", *arguments)
    assert done.exit_code == 2
    assert done.output.startswith(f"error: {message}")
    assert not (here / "x.baml").exists()


@pytest.mark.parametrize("shape", ["openai", "anthropic", "mcp"])
def test_printed_tools_make_the_same_function_again(here: Path, shape: str) -> None:
    assert run("import-tools", "tools.json", "-o", "one/baml_src/shop.baml", "--no-text").exit_code == 0
    printed = run("tools", "DetermineNextStepShop", "--baml-src", "one/baml_src", "--shape", shape)
    assert run("import-tools", "-", "-o", "two/baml_src/shop.baml", "--no-text", input=printed.output).exit_code == 0
    one, two = ((here / name / "baml_src/shop.baml").read_text("utf-8") for name in ("one", "two"))
    assert one == two


def test_steps_are_printed_as_they_are_sent(here: Path) -> None:
    write(here, {"baml_src/mail.baml": CLIENT + STEPS + function("Mail")})
    mail = load_project(here / "baml_src").function("Mail")
    assert json.loads(run("tools", "Mail").output) == list(mail.tools)
    assert json.loads(run("tools", "Mail", "--shape", "response_format").output) == mail.response_format
    done = run("tools", "Male")
    assert (done.exit_code, done.output) == (
        2,
        "error: baml_src: function 'Male' not found (did you mean 'Mail'?); there are: Mail\n",
    )
