"""The Python that BAML generates is made of a project's texts: whatever they are, types come of it and nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phrasing.baml import generated
from phrasing.baml.project import Project
from phrasing.errors import BamlError
from support.small_projects import CLIENT, cache, function, load
from support.tiers import few

__all__ = ["cache"]


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a text would write if it ran."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


RUN = "__import__('pathlib').Path('ran').touch()"
WAYS_OUT = {
    "a text's end": f'"""\n{RUN}\n"""',
    "an expression": f'x""" + str({RUN}) + """y',
    "an escaped end": f'\\\\"""\n{RUN}\n#',
    "a field": f'"""\nx: {RUN} = 1\n"""',
    "a field, as text": f'"""\nx: "{RUN}" = 1\n"""',
    "a default": f'"""\nx: int = {RUN}\n"""',
    "a factory": '"""\nx: int = Field(default_factory=lambda: open("ran", "w"))\n"""',
    "a method": f'"""\ndef model_rebuild(x={RUN}): pass\n"""',
    "a class": f'"""\nclass X(int, metaclass={RUN}): pass\n"""',
    "a comprehension": f'"""\nx: typing.List[[{RUN} for _ in [1]]]\n"""',
    "single quotes": f"'''\n{RUN}\n'''",
    "a name of Unicode": "\\N{BULLET}",
    "a broken name": "\\N{NO SUCH NAME}",
    "a line of its own": f"#\r{RUN}",
    "no character": "\x00",
    "a line's end of another kind": f"\u2028{RUN}\x85{RUN}\x0c{RUN}",
}
PLACES = {
    "the class": 'class A {{\n  intent "go"\n  @@description({text})\n}}',
    "a field": 'class A {{\n  intent "go"\n  x string @description({text})\n}}',
    "an alias": 'class A {{\n  intent "go"\n  x string @alias({text})\n}}',
    "a check": 'class A {{\n  intent "go" @description({text})\n  x string @check(ok, {{{{ this == "" }}}})\n}}',
    "an enum": 'class A {{\n  intent "go"\n  x E\n}}\nenum E {{\n  V @description({text})\n  @@alias({text})\n}}',
}
COMMENTS = '/// {text}\nclass A {{\n  /// {text}\n  intent "go"\n  x E\n}}\n/// {text}\nenum E {{\n  /// {text}\n  V\n}}'


def tried(folder: Path, classes: str) -> Project | None:
    """Load a project of these classes; none, where BAML or Python doesn't take it."""
    sources = CLIENT + classes + function("F", returns="A")
    try:
        project = load(folder, sources=({"a.baml": sources}))
        project.functions["F"].parse('{"intent": "go", "x": "V"}')
    except (BamlError, ValueError):
        return None
    return project


TEXTS = [(place, way) for place in PLACES for way in WAYS_OUT]


@pytest.mark.parametrize(("place", "way"), few(TEXTS, TEXTS[::19]))
def test_no_text_of_a_project_runs(tmp_path: Path, marker: Path, place: str, way: str) -> None:
    for quoted in (f'##"{WAYS_OUT[way]}"##', f'"{WAYS_OUT[way]}"'):
        tried(tmp_path, PLACES[place].format(text=quoted))
        assert not marker.exists()


@pytest.mark.slow
def test_no_comment_of_a_project_runs(tmp_path: Path, marker: Path) -> None:
    for number, text in enumerate(WAYS_OUT.values()):
        comment = text.replace("\n", "\n/// ")
        tried(tmp_path / str(number), COMMENTS.format(text=comment))
        assert not marker.exists(), text


LITERALS = ["'", "\\", "'''", "a'b", "\\N{BULLET}", RUN, f"'] + [{RUN}"]


@pytest.mark.parametrize("text", few(LITERALS, LITERALS[-2:]))
def test_no_literal_of_a_project_runs(tmp_path: Path, marker: Path, text: str) -> None:
    project = tried(tmp_path, f'class A {{\n  intent "go"\n  x "V" | "{text}"\n}}')
    tried(tmp_path / "intent", f'class A {{\n  intent "{text}"\n}}')
    parameter = function("F", parameters=f'thread: string, mood: "a" | "{text}"', returns="A")
    try:
        project = load(tmp_path / "parameter", {"a.baml": f'{CLIENT}class A {{\n  intent "go"\n}}{parameter}'})
    except BamlError:
        return
    assert not marker.exists()
    assert project.find("F").parameters["mood"].type is not None


def test_a_description_may_have_quotes(tmp_path: Path) -> None:
    project = tried(tmp_path, 'class A {\n  intent "go" @description(#"say "hi" and \'\'\' or """"#)\n}')
    assert project is not None
    assert project.functions["F"].steps["go"].description == 'say "hi" and \'\'\' or """'


# ---------------------------------------------------------------------------------------------- whatever BAML may write


@pytest.mark.parametrize(
    "line",
    [
        "{run}",
        "x = {run}",
        "x: {run}",
        "x: typing.List[{run}]",
        'x: "{run}"',
        'x: typing.Optional["{run}"]',
        "x: str = {run}",
        "x: str = Field(default={run})",
        "x: str = Field(default_factory={run})",
        "x: str = Field(**{run})",
        "x: str = Field({run})",
        "x: str = typing.cast(str, {run})",
        "x: typing.Literal[{run}]",
        "x: typing.Annotated[str, {run}]",
        "def f(self, x={run}): pass",
        "class B({run}): pass",
        "if {run}: pass",
        "import ran",
        "x: str; {run}",
        "x: lambda: {run}",
        "model_config = ConfigDict(extra={run})",
    ],
)
def test_only_declarations_are_taken(marker: Path, line: str) -> None:
    text = f"class A(BaseModel):\n    {line.format(run=RUN)}\n"
    with pytest.raises(ValueError, match=r"holds more than fields|is more than a type"):
        generated.make_module("phrasing_test_hostile", text)
    assert not marker.exists()


@pytest.mark.parametrize(
    "text",
    [
        f"{RUN}\n",
        f"import ran\nx = {RUN}\n",
        f"@{RUN}\nclass A(BaseModel):\n    x: int\n",
        f"class A(BaseModel, metaclass={RUN}):\n    x: int\n",
        f"def f(x={RUN}): pass\n",
        f"BaseModel = {RUN}\n",
    ],
)
def test_what_stands_beside_them_is_left_out(marker: Path, text: str) -> None:
    generated.make_module(f"phrasing_test_{abs(hash(text))}", text)
    assert not marker.exists()


@pytest.mark.parametrize("annotation", [f"{RUN}.str", f"typing.Union[str, {RUN}.str]", f'typing.Optional["{RUN}"]'])
def test_no_signature_runs(marker: Path, annotation: str) -> None:
    client = f"class BamlSyncClient:\n    def F(self, thread: {annotation}, baml_options=None) -> str: ...\n"
    with pytest.raises(ValueError, match="is more than a type"):
        list(generated.signatures(client))
    assert not marker.exists()


# ---------------------------------------------------------------------------------------------- generators

GENERATOR = '{\n  output_type "python/pydantic"\n  output_dir "./out"\n  version "0.1.0"\n  on_generate "touch ran"\n}\n'


BEFORE = [
    "",
    'class Z { a string @description(x"y) }\n',
    'test T { functions [F] args { thread hello"there } }\n',
    '// "\n',
    '/// #"\n',
    'class Z { a string @description(#"a"b"#) }\n',
    'template_string X() #"{//"#\n',
    'class Z { a string @description("x{{") }\n',
]
HEADS = ["generator zz ", "generator\tzz\n", "generator zz // {\n"]
GENERATORS = [(before, head) for before in BEFORE for head in HEADS]


@pytest.mark.parametrize(("before", "head"), few(GENERATORS, GENERATORS[::4]))
def test_no_generator_of_a_project_runs(tmp_path: Path, marker: Path, before: str, head: str) -> None:
    tried(tmp_path, f'class A {{\n  intent "go"\n}}\n{before}{head}{GENERATOR}')
    assert not list(tmp_path.rglob("ran"))
    assert not list(tmp_path.rglob("out"))


def test_one_that_cant_be_told_from_text_is_named(tmp_path: Path) -> None:
    sources: Any = {"a.baml": f'{CLIENT}class Z {{ a string @description(x"y) }}\ngenerator zz {GENERATOR}'}
    with pytest.raises(BamlError, match=r"a\.baml: holds the words generator and output_type where .* from text"):
        load(tmp_path, sources)


def test_a_prompt_may_speak_of_generators(tmp_path: Path) -> None:
    assert load(tmp_path, function("Mail", "a generator of {{ ctx.output_format }} {{ thread }}")).functions
