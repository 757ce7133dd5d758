"""Sources of BAML's newer language: the first sign of it is said; other mistakes keep BAML's own words."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from phrasing.baml import newer
from phrasing.cli import main
from phrasing.errors import BamlError
from support.small_projects import CLIENT, MAIL, STEPS, cache, function, load, project, write
from support.step_shapes import SHAPES

__all__ = ["cache"]

OURS = version("baml-py")

BODY = "a colon in a function's body"
NEWER = {
    "field": ("class Buoy {\n    name: string,\n    depth: int,\n}\n", 2, "a field with a colon", "name: string,", "name string"),
    "optional": ("class Buoy {\n\n  depth: int?\n}\n", 3, "a field with a colon", "depth: int?", "depth int?"),
    "enum": ("enum Bell {\n  Fire,\n  Fog,\n}\n", 2, "a value with a comma", "Fire,", "Fire"),
    "client": ('function F(x: string) -> string {\n  client: "a/b"\n}\n', 2, BODY, 'client: "a/b"', None),
    "prompt": ('function F(x: string) -> string {\n  client "a/b"\n  prompt: #"x"#\n}\n', 3, BODY, 'prompt: #"x"#', None),
    "backticks": ("function F(x: string) -> string {\n  prompt `\n${x}`\n}\n", 2, "text in backticks", "prompt `", None),
    "assigned": ("client C = openai.Client.new()\n", 1, "a client that is assigned", "client C = openai.Client.new()", None),
    "interface": ("// here\ninterface Ship {\n}\n", 2, "an interface", "interface Ship {", None),
    "parameter": ("class Crate<T> {\n  inside T\n}\n", 1, "a type parameter", "class Crate<T> {", None),
    "test": ('test "floats" {\n}\n', 1, "a test that is named by a text", 'test "floats" {', None),
    "testset": ('testset "all" {\n}\n', 1, "a set of tests", 'testset "all" {', None),
    "throws": ("function f() -> int throws E {\n  1\n}\n", 1, "a function that throws", "function f() -> int throws E {", None),
}  # fmt: skip


@pytest.mark.parametrize(("source", "line", "what", "shown", "older"), NEWER.values(), ids=NEWER)
def test_a_sign_is_said(tmp_path: Path, source: str, line: int, what: str, shown: str, older: str | None) -> None:
    with pytest.raises(BamlError) as error:
        load(tmp_path, {"a.baml": CLIENT, "b.baml": source})
    here = f"; here that is: {older}" if older else ""
    assert str(error.value) == (
        f"{tmp_path}/baml_src/b.baml:{line}: {what}, {shown!r}, is of BAML's newer language, which BAML {OURS}, the one here, "
        f"can't read{here}"
    )


@pytest.mark.parametrize("folder", ["", "baml_src/"])
def test_the_version_is_that_of_the_toolchain(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {f"{folder}baml.toml": '[package]\nname = "x"\n\n[toolchain]\nversion = "0.18.1-nightly"\n'})
    with pytest.raises(BamlError, match=r"is of BAML's newer language \(baml\.toml asks for 0\.18\.1-nightly\), which BAML"):
        load(tmp_path, {"b.baml": NEWER["field"][0]})


@pytest.mark.parametrize("text", ["", "[toolchain]\n", "toolchain = 3\n", "[[", '[package]\nname = "x"\n'])
def test_a_toolchain_that_says_nothing_is_left_out(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"baml.toml": text})
    assert newer.version(tmp_path / "baml_src") is None


def test_a_newer_generator_is_named(tmp_path: Path) -> None:
    generator = 'generator g {\n  output_type "python/pydantic"\n  output_dir "../"\n  version "0.999.1"\n}\n'
    with pytest.raises(BamlError) as error:
        load(tmp_path, {"a.baml": "class A {\n  x Nowhere\n}\n", "g.baml": generator})
    assert str(error.value).endswith(f"; a generator asks for BAML 0.999.1, and the one here is {OURS}")
    with pytest.raises(BamlError) as error:
        load(tmp_path, {"a.baml": "class A {\n  x Nowhere\n}\n", "g.baml": generator.replace("0.999.1", "0.80.0")})
    assert "asks for" not in str(error.value)
    assert load(tmp_path, {"a.baml": MAIL, "g.baml": generator}).functions


def test_what_can_be_read_has_no_sign() -> None:
    noise = '// name: string,\nclass A {\n  x string @description("a: b,") // y: int,\n'
    noise += '  @@description(#"`z: int,`\n z: int,\n"#)\n}\n'
    sources = [MAIL, noise, *(shape.types + function("F", shape.prompt, returns=shape.returns) for shape in SHAPES.values())]
    for source in sources:
        assert newer.find({"a.baml": CLIENT + STEPS + source}) is None


def test_other_mistakes_keep_bamls_own_words(tmp_path: Path) -> None:
    with pytest.raises(BamlError) as error:
        load(tmp_path, {"a.baml": "class A {\n  x Nowhere\n}\n"})
    assert "Nowhere" in str(error.value)
    assert "newer" not in str(error.value)


def test_check_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path)
    write(tmp_path, {"baml_src/a.baml": NEWER["field"][0]})
    monkeypatch.chdir(tmp_path)
    for words in (["check"], ["init", "--baml", "baml_src", "new"]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 2
        assert "baml_src/a.baml:2: a field with a colon, 'name: string,', is of BAML's newer language" in done.output
