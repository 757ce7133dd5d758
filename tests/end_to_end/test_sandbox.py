"""Templates write text and do nothing else: known ways out of Jinja are refused wherever a template is somebody's file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
from click.testing import CliRunner

from phrasing.cli import main
from phrasing.cli.common import MISTAKE
from phrasing.costs import trace_files
from phrasing.errors import FormatError, ModelError, UserError
from phrasing.importers.baml import assertions
from phrasing.project.export_format import export_format
from phrasing.prompts import formats
from phrasing.prompts.probe import probe
from phrasing.report.html.page import Shown, html
from phrasing.tokenizers import chat_template
from phrasing.types import Thread
from support.page_runs import run, shown
from support.tiers import few
from support.tiny_runs import cache, obey, world

__all__ = ["cache"]

THREAD = Thread.model_validate({"events": [{"type": "note", "data": {"names": ["a"]}, "role": "input", "call": None}]})

# Each says something of what lies outside, in plain Jinja; `x` is a list.
ESCAPES = {
    "cycler": "{{ cycler.__init__.__globals__.os.getpid() }}",
    "joiner": "{{ joiner.__init__.__globals__.os.getpid() }}",
    "namespace": "{{ namespace.__init__.__globals__.os.getpid() }}",
    "lipsum": "{{ lipsum.__globals__.os.getpid() }}",
    "lipsum, subscribed": "{{ lipsum['__globals__']['os'].getpid() }}",
    "dict": "{{ dict.mro() }}",
    "method": "{{ cycler(1).next.__func__.__globals__.os.getpid() }}",
    "builtins": "{{ cycler.__init__.__globals__.__builtins__.__import__('os').getpid() }}",
    "text": "{{ ''.__class__.__mro__[1].__subclasses__() | length }}",
    "data": "{{ x.__class__.__base__.__subclasses__() | length }}",
    "data, subscribed": "{{ x['__class__']['__base__'] }}",
    "name kept in a variable": "{% set name = '__cl' ~ 'ass__' %}{{ x[name] }}",
    "format": "{{ '{0.__class__.__mro__}'.format(x) }}",
    "format_map": "{{ '{a.__class__.__mro__}'.format_map({'a': x}) }}",
    "format kept in a variable": "{% set f = '{0.__class__.__mro__}'.format %}{{ f(x) }}",
    "format by attr": "{{ ('{0.__class__.__mro__}' | attr('format'))(x) }}",
    "format by map": "{{ (['{0.__class__.__mro__}'] | map(attribute='format') | first)(x) }}",
    "attr": "{{ x | attr('__class__') }}",
    "map by attribute": "{{ [x] | map(attribute='__class__.__mro__') | first }}",
    "map by attr": "{{ [x] | map('attr', '__class__') | first }}",
    "groups by attribute": "{{ [x] | groupby('__class__.__mro__') | length }}",
    "generator": "{{ ([x] | map('length')).gi_frame.f_globals | length }}",
    "code of a generator": "{{ ([x] | map('length')).gi_code.co_filename }}",
    "macro": "{% macro m() %}{% endmacro %}{{ m.__init__.__globals__ | length }}",
    "function of a macro": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ | length }}",
    "loop": "{% for y in [1] %}{{ loop.__init__.__globals__ | length }}{% endfor %}",
    "self": "{{ self._TemplateReference__context.environment }}",
    "undefined": "{{ nothing.__init__.__globals__ | length }}",
}


def loaded(folder: Path, source: str) -> formats.Format:
    (folder / "own.j2").write_text(source, "utf-8")
    return formats.load(folder, "own")


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES)
def test_it_is_a_way_out_of_plain_jinja(source: str) -> None:
    assert jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(source).render(x=[1])


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES)
def test_a_format_cant_get_out(tmp_path: Path, source: str) -> None:
    format = loaded(tmp_path, "\n{% set x = thread.events %}\n" + source)
    with pytest.raises(FormatError, match=r"/own\.j2:3: raised SecurityError: .*unsafe"):
        formats.render(format, THREAD)


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES)
def test_a_chat_template_cant_get_out(tmp_path: Path, source: str) -> None:
    (tmp_path / "chat_template.jinja").write_text("\n{% set x = messages %}\n" + source, "utf-8")
    template = chat_template.load("mine", tmp_path)
    assert template is not None
    try:
        said = template([{"role": "user", "content": "a"}]).strip()
    except ModelError as error:
        said = str(error)
    # as transformers has it, what may not be seen is empty there, and only what is made of it is refused
    refused = f"{tmp_path}/chat_template.jinja:3: tokenizer 'mine': its chat template fails on this prompt: access to attribute"
    assert not said or said.startswith(refused)


@pytest.fixture(scope="module")
def page(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return shown(run(tmp_path_factory.mktemp("page"), obey))


OF_A_PAGE = [ESCAPES[name] for name in ("cycler", "map by attribute")]


@pytest.mark.parametrize("source", few(ESCAPES.values(), OF_A_PAGE), ids=ESCAPES)
def test_a_page_cant_get_out(page: Shown, tmp_path: Path, source: str) -> None:
    (tmp_path / "report.html.j2").write_text("\n{% set x = runs %}\n" + source, "utf-8")
    with pytest.raises(UserError, match=r"/report\.html\.j2:3: the template can't be used: .*unsafe"):
        html([page], templates=tmp_path)


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES)
def test_a_condition_runs_nothing(source: str) -> None:
    condition = source.removeprefix("{{").removesuffix("}}").strip()
    labels, unread = assertions.read_labels(['this.intent == "find"', condition, f"this.n == {condition}"], "intent")
    assert labels == [{"intent": "find"}]
    assert unread == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ runs[0].suite + 1 }}", ":1: the template can't be used: can only concatenate"),
        ("\n{% for %}", ":2: the template can't be used: Expected an expression"),
        ("\n\n{% include 'report.other' %}", ":3: the template can't be used: report.other"),
        ("{% for i in range(1000000) %}{% endfor %}", ":1: the template can't be used: Range too big"),
    ],
)
def test_a_page_that_fails_is_named_with_its_line(page: Shown, tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "report.html.j2").write_text(source, "utf-8")
    with pytest.raises(UserError) as caught:
        html([page], templates=tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/report.html.j2{said}")


def test_check_runs_no_program_of_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: None) -> None:
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    source = "{{ thread | json }}\n{{ cycler.__init__.__globals__.os.popen('touch pwned').read() }}"
    (tmp_path / "formats" / "tags.j2").write_text(source, "utf-8")
    done = CliRunner().invoke(main, ["check"], prog_name="phrasing", catch_exceptions=False)
    assert done.exit_code == MISTAKE
    (line,) = done.stderr.splitlines()
    assert "formats/tags.j2:2: raised SecurityError: access to attribute '__init__'" in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_range_has_an_end(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"own\.j2:1: raised OverflowError: Range too big"):
        formats.render(loaded(tmp_path, "{% for i in range(100001) %}{% endfor %}"), THREAD)


# ---------------------------------------------------------------------------------------------- what a template may do


CHANGES = """\
{%- set _ = thread.events[0].data.names.append('b') -%}
{%- set _ = thread.events[0].data.update(more=1) -%}
{%- set _ = thread.events[0].update(type='other') -%}
{%- set own = [thread.events.pop()] -%}
{%- set _ = own.append(1) -%}
{{ own | json }} {{ thread | json }}"""


def test_a_template_that_changes_its_thread_changes_it_for_nobody_else(tmp_path: Path) -> None:
    before = THREAD.model_dump_json()
    format = loaded(tmp_path, CHANGES)
    text = '[{"type":"other","data":{"names":["a","b"],"more":1},"role":"input","call":null},1] {"events":[]}'
    assert [formats.render(format, THREAD) for _ in range(2)] == [text] * 2
    with pytest.raises(FormatError, match="drops"):  # what one rendering takes away isn't missing in the next
        probe(loaded(tmp_path, "{% set _ = thread.events[0].data.clear() %}x"), THREAD)
    assert THREAD.model_dump_json() == before


def test_nor_for_the_formats_that_count_the_same_file_of_threads(tmp_path: Path) -> None:
    loaded(tmp_path, CHANGES)
    (tmp_path / "whole.j2").write_text("{{ thread | json }}", "utf-8")
    (tmp_path / "traces.jsonl").write_text(json.dumps(THREAD.model_dump()) + "\n", "utf-8")
    both, alone = (
        trace_files.count_file(tmp_path / "traces.jsonl", trace_files.Job(tmp_path, names, ("o200k_base",)))
        for names in (("own", "whole"), ("whole",))
    )
    assert both.bad == 0
    assert both.totals.columns["whole", "o200k_base"] == alone.totals.columns["whole", "o200k_base"]


def test_a_template_keeps_nothing_for_the_next_thread(tmp_path: Path) -> None:
    source = (
        "{% set kept = [] %}{% set _ = kept.append(1) %}{% set n = namespace(n=0) %}{% set n.n = n.n + 1 %}{{ kept }}{{ n.n }}"
    )
    format = loaded(tmp_path, source)
    assert [formats.render(format, THREAD) for _ in range(2)] == ["[1]1"] * 2


def test_names_that_begin_with_an_underscore_are_keys_of_data(tmp_path: Path) -> None:
    thread: Any = {"events": [{"type": "note", "data": {"_id": 7, "__v": 1, "gi_frame": 2}, "role": "input", "call": None}]}
    format = loaded(tmp_path, "{% set d = thread.events[0].data %}{{ d._id }} {{ d['__v'] }} {{ d.gi_frame }}")
    assert formats.render(format, Thread.model_validate(thread)) == "7 1 2"


def test_an_exported_format_is_sandboxed_and_leaves_its_thread_alone(tmp_path: Path) -> None:
    source = (
        "{% if thread.events[0].data == 'out' %}{{ lipsum.__globals__.os.getpid() }}{% endif %}"
        "{% set _ = thread.events.append(1) %}{{ thread | json }}"
    )
    for name, content in export_format(loaded(tmp_path, source)).files.items():
        (tmp_path / name).write_bytes(content)
    script = (
        "import json, render\n"
        "thread = {'events': [{'data': 'in'}]}\n"
        "print(render.render(thread), json.dumps(thread))\n"
        "render.render({'events': [{'data': 'out'}]})\n"
    )
    (tmp_path / "use.py").write_text(script)
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ['{"events":[{"data":"in"},1]}', *json.dumps({"events": [{"data": "in"}]}).split()]
    assert "SecurityError" in done.stderr
