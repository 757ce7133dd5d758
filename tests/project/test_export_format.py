"""A format taken elsewhere renders the same there, without phrasing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import FormatError
from phrasing.project.export_format import VECTORS, ExportedFormat, export_format
from phrasing.prompts import formats
from phrasing.types import Thread
from support.small_projects import SHIPPED, write

WITHOUT_US = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("phrasing", "pydantic", "yaml"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
for script in sys.argv[1:]:
    runpy.run_path(script, run_name="__main__")
"""

WITH_PARAMETERS = [
    "trace(body=json tag=heading)",
    "trace(body=lines indent=2)",
    "trace(body=json_pretty separator=line intent=yes call=yes)",
]


def take(folder: Path, written: str, to: Path) -> Path:
    """Export a format; return the script that tests it."""
    exported = export_format(formats.load(folder, written))
    to.mkdir()
    for name, content in exported.files.items():
        (to / name).write_bytes(content)
    return to / exported.test


def run(*scripts: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_US, *map(str, scripts)]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)


def export(root: Path, name: str, source: str, written: str) -> ExportedFormat:
    write(root, {f"formats/{name}": source})
    return export_format(formats.load(root / "formats", written))


def vectors(exported: ExportedFormat) -> list[dict[str, Any]]:
    return list(json.loads(exported.files[VECTORS])["vectors"])


# ---------------------------------------------------------------------------------------------- what ships


@pytest.mark.slow
def test_every_format_renders_the_same_without_us(tmp_path: Path) -> None:
    names = [*formats.available(SHIPPED), *WITH_PARAMETERS]
    scripts = [take(SHIPPED, name, tmp_path / f"{number}") for number, name in enumerate(names)]
    done = run(*scripts)
    assert done.returncode == 0, done.stderr
    told = [formats.load(SHIPPED, name).told is not None for name in names]
    assert done.stdout == "".join(f"{16 if both else 8} vectors: good\n" for both in told)


def test_a_format_that_was_changed_fails_its_test(tmp_path: Path) -> None:
    for name, old, new in (("xml_yaml", "</{{", "</ {{"), ("messages", '"content": content', '"content": content + " "')):
        script = take(SHIPPED, name, tmp_path / name)
        (changed,) = (path for path in script.parent.iterdir() if path.stem == name)
        changed.write_text(changed.read_text("utf-8").replace(old, new), "utf-8")
        done = run(script)
        assert done.returncode == 1
        assert "AssertionError: inputs, steps and results" in done.stderr


def test_a_template_that_is_told_of_tools_is_told_without_us(tmp_path: Path) -> None:
    write(tmp_path, {"formats/told.j2": "{{ 'calls' if tools else 'text' }} {{ thread.events | json }}"})
    script = take(tmp_path / "formats", "told", tmp_path / "taken")
    assert run(script).stdout == "16 vectors: good\n"
    found = vectors(export_format(formats.load(tmp_path / "formats", "told")))
    assert {(vector["tools"], vector["rendering"].split()[0]) for vector in found} == {(True, "calls"), (False, "text")}


def test_vectors_are_what_phrasing_renders(tmp_path: Path) -> None:
    format = formats.load(SHIPPED, "messages")
    for vector in vectors(export_format(format)):
        assert formats.render(format, Thread.model_validate(vector["thread"])) == vector["rendering"]


def test_vectors_cover_what_a_thread_can_hold() -> None:
    threads = [Thread.model_validate(vector["thread"]) for vector in vectors(export_format(formats.load(SHIPPED, "json")))]
    events = [event for thread in threads for event in thread.events]
    assert {event.role for event in events} == {"input", "step", "result"}
    empty: tuple[Any, ...] = (None, "", {}, [], 0, False)
    for role in ("input", "step", "result"):
        there = [json.dumps(event.data) for event in events if event.role == role]
        assert json.dumps(None) in there
    assert {json.dumps(value) for value in empty} <= {json.dumps(event.data) for event in events}
    text = json.dumps([thread.model_dump() for thread in threads], ensure_ascii=False)
    assert [part for part in ("ü", "日", "👩", "\u2028", "\\n", "[[", "{}", "1e-07", "<a>") if part not in text] == []


# ---------------------------------------------------------------------------------------------- one's own


def test_the_file_goes_along_as_it_is(tmp_path: Path) -> None:
    source = "{# parameter end: a b #}\r\n{{ thread.events | json(indent=2) }}é{{ end }}\r\n"
    exported = export(tmp_path, "my-own.v2.j2", source, "my-own.v2(end=b)")
    assert exported.files["my-own.v2.j2"] == source.encode()
    assert exported.test == "test_my_own_v2.py"
    assert not exported.left_out
    write(tmp_path, {name: content.decode() for name, content in exported.files.items()})
    assert run(tmp_path / exported.test).stdout == "8 vectors: good\n"


def test_parameters_of_a_python_format_are_passed_by_name(tmp_path: Path) -> None:
    source = (
        'PARAMETERS = {"end": ("a", "b"), "n": (1, 2)}\n\n\ndef render(thread, *, end, n):\n    return str(thread) + end * n\n'
    )
    # named as a module of Python's own, which the script needs
    exported = export(tmp_path, "json.py", source, "json(end=b)")
    assert exported.files["json_format.py"] == source.encode()
    assert vectors(exported)[0]["rendering"].endswith("b")
    write(tmp_path, {name: content.decode() for name, content in exported.files.items()})
    assert run(tmp_path / exported.test).stdout == "8 vectors: good\n"


def test_what_a_format_cant_render_is_left_out_and_said(tmp_path: Path) -> None:
    source = "{% for event in thread.events %}{{ event.data | json if event.data is not none else nothing }}{% endfor %}"
    exported = export(tmp_path, "picky.j2", source, "picky")
    assert len(vectors(exported)) == 7
    (said,) = exported.left_out
    assert said.startswith("no data: ")
    assert "'nothing' is undefined" in said


def test_a_format_that_renders_no_vector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"own\.j2:1: raised UndefinedError: .*'slack'"):
        export(tmp_path, "own.j2", "{{ thread.events[0].slack.text }}", "own")
