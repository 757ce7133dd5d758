"""Parameters of formats: declared in the file, named by a suite, one name for one format from ``check`` to the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import phrasing
from phrasing import cli
from phrasing.errors import FormatError, SuiteError
from phrasing.plan.resolve import resolve
from phrasing.plan.selection import Selection
from phrasing.prompts import formats
from phrasing.prompts.probe import probe
from phrasing.runs import provenance
from phrasing.types import Completion, Request, Thread
from support.paths import REPOSITORY
from support.small_projects import cache, project, write

__all__ = ["cache"]

HELLO = Thread.model_validate({"events": [{"type": "hello", "data": {"a": [1]}}]})
TEMPLATE = """{# parameter body: yaml json json_pretty #}
{# parameter indent: 0 2 -1.5 #}
{% for event in thread.events %}
{{ event.type }} {{ indent + 1 }} {{ event.data | json(indent=2) if body == "json_pretty" else event.data | json }}
{% endfor %}
"""
MODULE = """
PARAMETERS = {"body": ("yaml", "json"), "indent": [0, 2]}


def render(thread, *, body="yaml", indent=0):
    return f"{body} {indent + 1} {thread['events']}"
"""
SHIFTED = {"formats/t.j2": TEMPLATE, "formats/m.py": MODULE}


# ---------------------------------------------------------------------------------------------- one name


@pytest.mark.parametrize(
    ("written", "name", "shown"),
    [
        ("t", "t", 'hello 1 {"a":[1]}'),
        ("t(body=yaml)", "t", 'hello 1 {"a":[1]}'),
        ("t(indent=0 body=yaml)", "t", 'hello 1 {"a":[1]}'),
        ("t(body=json)", "t(body=json)", 'hello 1 {"a":[1]}'),
        ("t(indent=2 body=json_pretty)", "t(body=json_pretty indent=2)", 'hello 3 {\n  "a": [\n    1\n  ]\n}'),
        ("t(indent=-1.5)", "t(indent=-1.5)", 'hello -0.5 {"a":[1]}'),
        ("m", "m", "yaml 1 "),
        ("m(indent=2 body=yaml)", "m(indent=2)", "yaml 3 "),
        ("m(indent=2 body=json)", "m(body=json indent=2)", "json 3 "),
    ],
)
def test_a_format_has_one_name_whatever_is_written(tmp_path: Path, written: str, name: str, shown: str) -> None:
    write(tmp_path, SHIFTED)
    loaded = formats.load(tmp_path / "formats", written)
    assert loaded.name == name == formats.named(tmp_path / "formats", written)
    assert loaded.digest == formats.load(tmp_path / "formats", loaded.path.stem).digest
    rendering = formats.render(loaded, HELLO)
    assert isinstance(rendering, str)
    assert rendering.startswith(shown)
    probe(formats.load(tmp_path / "formats", name), HELLO)


def test_a_copy_is_told_all_parameters_by_name(tmp_path: Path) -> None:
    source = 'PARAMETERS = {"body": ("yaml", "json")}\ndef render(thread, **given):\n    return str(given)\n'
    write(tmp_path, {"formats/m.py": source})
    assert formats.render(formats.load(tmp_path / "formats", "m"), HELLO) == "{'body': 'yaml'}"


def test_the_json_filter_indents_as_python_does(tmp_path: Path) -> None:
    value = {"z": [], "é": {"a": [1.5, None, {}], "<": "'\u2028"}}
    write(tmp_path, {"formats/t.j2": "{{ thread.events[0].data | json(indent=2) }}|{{ thread.events[0].data | json }}"})
    rendering = formats.render(
        formats.load(tmp_path / "formats", "t"), Thread.model_validate({"events": [{"type": "a", "data": value}]})
    )
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert rendering == f"{json.dumps(value, ensure_ascii=False, indent=2)}|{compact}"


WORD = "wanted a name, or a name and parameters with single spaces between, such as trace(body=json indent=2)"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("tt(body=json)", "format 'tt' not found (did you mean 't'?); there are: m, plain, t"),
        ("t(bdy=json)", "t: parameter 'bdy' not found (did you mean 'body'?); there are: body, indent"),
        ("t(body=jsn)", "t: body: value 'jsn' not found (did you mean 'json'?); there are: json, json_pretty, yaml"),
        ("m(indent=02)", "m: indent: value '02' not found (did you mean '2'?); there are: 0, 2"),
        ("plain(body=json)", "the format 'plain' has no parameters, got body=json"),
        ("t(body=json body=yaml)", "'t(body=json body=yaml)' gives a parameter twice"),
        ("t()", f"'t()' is no format; {WORD}"),
        ("t(json)", f"'t(json)' is no format; {WORD}"),
        ("t(body=json, indent=2)", f"'t(body=json, indent=2)' is no format; {WORD}"),
        ("t(body=json  indent=2)", f"'t(body=json  indent=2)' is no format; {WORD}"),
        ("t (body=json)", f"'t (body=json)' is no format; {WORD}"),
        ("t(body=json", f"'t(body=json' is no format; {WORD}"),
        ("", f"'' is no format; {WORD}"),
    ],
)
def test_a_name_that_is_wrong(tmp_path: Path, written: str, message: str) -> None:
    folder = tmp_path / "formats"
    write(tmp_path, {**SHIFTED, "formats/plain.j2": "x"})
    with pytest.raises(FormatError) as error:
        formats.load(folder, written)
    assert str(error.value) == f"{folder}: {message}"
    assert formats.named(folder, written) == written


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("a.j2", "{# parameter body: a b #}x", "declares the parameter 'body' and never uses it"),
        (
            "a.j2",
            "{# parameter body: a #}{{ body }}",
            "the parameter 'body' needs two or more values, each once, the default first",
        ),
        (
            "a.j2",
            "{# parameter body: a a #}{{ body }}",
            "the parameter 'body' needs two or more values, each once, the default first",
        ),
        ("a.j2", "{# parameter body: a, b #}{{ body }}", "'a,' is no value; wanted a number or a word"),
        ("a.j2", "{# parameter body: a b #}{# parameter body: c d #}{{ body }}", "the parameter 'body' is declared twice"),
        ("a.j2", "{# parameter thread: a b #}x", "the parameter 'thread' must be a name, and not 'thread'"),
        ("a.j2", "{# parameter: a b #}x", "the parameter '' must be a name, and not 'thread'"),
        ("a.j2", "{# parameter a-b: a b #}x", "the parameter 'a-b' must be a name, and not 'thread'"),
        (
            "a.py",
            'PARAMETERS = {"body": ("a", "b")}\ndef render(thread): pass',
            "render doesn't take what PARAMETERS declares: got an unexpected keyword argument 'body'",
        ),
        (
            "a.py",
            'PARAMETERS = {"body": ("5", "b")}\ndef render(thread, body): pass',
            "the parameter 'body' has the values '5', 'b'; wanted numbers and words",
        ),
        (
            "a.py",
            'PARAMETERS = {"body": (True, False)}\ndef render(thread, body): pass',
            "the parameter 'body' has the values True, False; wanted numbers and words",
        ),
        ("a.py", 'PARAMETERS = {"b": ("x y", "z")}\ndef render(thread, b): pass', "'x y' is no value; wanted a number or a word"),
        (
            "a.py",
            'PARAMETERS = {"body": "ab"}\ndef render(thread, body): pass',
            """PARAMETERS is no dict such as {"body": ("yaml", "json")}, but {'body': 'ab'}""",
        ),
    ],
)
def test_a_file_that_declares_what_cannot_be(tmp_path: Path, file: str, source: str, message: str) -> None:
    write(tmp_path, {f"formats/{file}": source})
    with pytest.raises(FormatError) as error:
        formats.load(tmp_path / "formats", "a")
    assert str(error.value) == f"{tmp_path / 'formats' / file}: {message}"


def test_a_comment_that_only_speaks_of_parameters_declares_none(tmp_path: Path) -> None:
    write(tmp_path, {"formats/a.j2": "{# parameter or not: whatever #}{# lossy: a b #}x"})
    loaded = formats.load(tmp_path / "formats", "a")
    assert (dict(loaded.parameters), loaded.lossy) == ({}, "a b")


# ---------------------------------------------------------------------------------------------- suites

NAMES = ["t", "t(indent=2 body=json)", "t(body=json_pretty)"]


def suite(root: Path, **changed: Any) -> Any:
    write(root, SHIFTED)
    return project(root, **{"formats": NAMES, **changed})


def test_a_suite_may_write_a_name_in_any_order_wherever_it_names_a_format(tmp_path: Path) -> None:
    gate = {"score": "step", "min": 0.1, "where": {"format": "t(indent=2 body=json)"}}
    file = suite(tmp_path, baseline={"format": "t(body=yaml)"}, require=[gate])
    made = resolve(file)
    assert list(made.formats) == ["t", "t(body=json indent=2)", "t(body=json_pretty)"] == list(made.suite.formats)
    assert made.suite == made.file.suite
    assert {baseline.format for baseline in made.baselines.values()} == {"t"}
    assert made.suite.require[0].where == {"format": "t(body=json indent=2)"}
    record = provenance.describe(made, started="now")
    assert [found["digest"] for found in record.formats.values()] == [made.formats["t"].digest] * 3
    assert [len(resolve(file, asked=made.suite).trials)] == [9]
    chosen = resolve(file, Selection(formats=["t(indent=2 body=json)", "m"], select="t(body=json indent=2)"))
    assert {trial.variant.format for trial in chosen.trials} == {"t(body=json indent=2)"}
    assert {
        trial.variant.format for trial in resolve(file, Selection(select="not t(body=json indent=2) and not ,t,")).trials
    } == {"t(body=json_pretty)"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"formats": ["t", "t(body=yaml)"]}, ":8: formats: 't(body=yaml)' is 't', which is named already"),
        ({"formats": ["json", "t(bdy=json)"]}, ":8: formats: t: parameter 'bdy' not found (did you mean 'body'?)"),
        ({"formats": ["json(body=yaml)"]}, ":7: formats: the format 'json' has no parameters, got body=yaml"),
        ({"formats": ["t(body=json,indent=2)"]}, ":7: formats: 't(body=json,indent=2)' is no format; wanted a name"),
        (
            {"baseline": {"format": "t(body=jsn)"}},
            ":13: baseline.format: format 't(body=jsn)' not found (did you mean 't(body=json_pretty)'?)",
        ),
        (
            {"require": [{"score": "step", "min": 0, "where": {"format": "t(body=json)"}}]},
            ":16: require.0.where.format: format 't(body=json)' not found",
        ),
    ],
    ids=["twice", "parameter", "no parameters", "comma", "baseline", "require"],
)
def test_a_mistake_is_said_with_file_and_line(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    file = suite(tmp_path, **changed)
    with pytest.raises(SuiteError) as error:
        resolve(file)
    assert str(error.value).startswith(f"{file.path}{message}")


def test_a_mistake_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"^--format: formats: t: body: value 'jso' not found \(did you mean 'json'\?\)"):
        resolve(suite(tmp_path), Selection(formats=["t(body=jso)"]))
    with pytest.raises(SuiteError, match=r"^--format: formats: 'm\(body=yaml\)' is 'm', which is named already"):
        resolve(suite(tmp_path), Selection(formats=["m", "m(body=yaml)"]))


@pytest.mark.slow
def test_a_run_its_report_and_the_command_line_know_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def complete(request: Request) -> Completion:
        return Completion(text='{"intent": "search", "query": "x"}')

    monkeypatch.chdir(tmp_path)
    file = suite(Path(), formats=NAMES[:2])
    run = phrasing.run(file, complete=complete)
    assert {result.format for result in run.results.values()} == {"t", "t(body=json indent=2)"}
    assert {result.variant for result in run.results.values()} == set(run.record.variants)
    call: Callable[..., Any] = CliRunner().invoke
    shown = call(cli.main, ["report", str(run.folder)])
    assert "t(body=json indent=2)" in shown.output
    written = call(cli.main, ["report", str(run.folder), "-o", "out.md"])
    assert written.exit_code == 0
    assert "| t(body=json indent=2) |" in Path("out.md").read_text("utf-8")
    trial = next(name for name in run.results if "indent=2" in name)
    assert call(cli.main, ["show", str(run.folder), trial]).output.startswith(f"{trial}\n")
    assert call(cli.main, ["check", str(file.path)]).exit_code == 0
    lines = call(cli.main, ["render", "c1", "-f", "t", "-f", "t(indent=2 body=json)"]).output.splitlines()
    assert [line for line in lines if line[0] in "+-"] == [
        "--- t",
        "+++ t(indent=2 body=json)",
        '-note 1 {"text":"about c1"}',
        '+note 3 {"text":"about c1"}',
    ]
    again = phrasing.run(file, replay=run.folder)
    assert {name: result.parsed for name, result in again.results.items()} == {
        name: result.parsed for name, result in run.results.items()
    }


# ---------------------------------------------------------------------------------------------- docs/formats.md


def test_the_documents_own_template_works(tmp_path: Path) -> None:
    (source,) = re.findall(r"```jinja\n(.*?)```", (REPOSITORY / "docs" / "formats.md").read_text("utf-8"), re.DOTALL)
    write(tmp_path, {"formats/mine.j2": source})
    folder = tmp_path / "formats"
    assert formats.render(formats.load(folder, "mine(body=json)"), HELLO) == formats.json_text(
        [{"type": "hello", "data": {"a": [1]}, "role": None, "call": None}]
    )
    assert formats.load(folder, "mine(indent=2)").name == "mine(indent=2)"
