"""A format taken elsewhere: its file, what it needs of ours, and vectors that show that it still renders the same."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from pydantic import JsonValue

from phrasing.errors import FormatError, shorten
from phrasing.prompts import formats, parameters, yaml
from phrasing.prompts.formats import Format
from phrasing.types import Event, Role, Thread

VECTORS = "vectors.json"
"""The file by which an export is known."""

_Row = tuple[str, Role, str | None, JsonValue]

_STEP: _Row = ("list_git_tags", "step", "call_1", {"limit": 3})
_RESULT: _Row = (
    "list_git_tags_result",
    "result",
    "call_1",
    {"tags": [{"name": "v1.2.3", "date": "2024-03-15"}, {"name": "v1.2.2"}]},
)

_THREADS: Mapping[str, tuple[_Row, ...]] = {
    "inputs, steps and results": (
        ("slack_message", "input", None, {"from": "@mira", "text": "ship the backend"}),
        _STEP,
        _RESULT,
        ("deploy_backend", "step", "call_2", {"tag": "v1.2.3", "environment": "staging"}),
        ("error", "result", "call_2", "no connection"),
        ("request_more_information", "step", "call_3", {"message": "Try again?"}),
        ("human_response", "result", "call_3", "yes"),
        ("user_message", "input", None, "and be quick"),
    ),
    "two steps at once": (
        ("user_message", "input", None, "tags and status"),
        _STEP,
        ("check_status", "step", "call_2", {}),
        ("check_status_result", "result", "call_2", True),
        _RESULT,
    ),
    "a step without a result": (("user_message", "input", None, "the tags, please"), _STEP),
    "a result that comes late": (
        _STEP,
        ("user_message", "input", None, "still there?"),
        _RESULT,
    ),
    "unicode": (
        ("user_message", "input", None, "Grüße, 日本語, שלום, e\u0301, 👩‍🚀"),
        ("send", "step", "call_1", {"to": "Zoë", "übung": "\u00a0a\u2028b\ufeff", "smile 🙂": ["\x7f", "\u0085"]}),
        ("send_result", "result", "call_1", "\N{SNOWMAN}\t\u200b."),
    ),
    "nested": (
        ("lookup", "step", "call_1", {"where": {"and": [{"a": [1, [2, []]]}, {}, [[{"b": None}]]]}, "limit": None, "all": True}),
        (
            "lookup_result",
            "result",
            "call_1",
            [
                {"id": 7, "intent": "lookup", "price": 1.5, "tiny": 1e-7, "huge": 1e22, "count": 12345678901234567890},
                {"id": "007", "yes": "no", "null": "null", "1": "1.2.3", "at": "12:30", "day": "2024-03-15", "~": "~"},
                ["- a", "a: b", "a #b", "#", "[x]", "{y}", "'q'", '"q"', "\\", "<a>&amp;</a>", "{{ x }}", "{% x %}"],
            ],
        ),
    ),
    "text of several lines": (
        ("user_message", "input", None, "first\n\n  indented\n## heading\n</user_message>\nlast\n"),
        ("note", "step", "call_1", {"text": "one\ntwo\n\n", "code": "\n  if x:\n\treturn\n", "blank": " \n "}),
        ("note_result", "result", "call_1", {"lines": ["a\r\nb", "c\nd"], "key\nof two": 0}),
    ),
    "no data": (
        ("user_message", "input", None, None),
        ("user_message", "input", None, ""),
        ("list_git_tags", "step", "call_1", None),
        ("list_git_tags_result", "result", "call_1", None),
        ("list_git_tags", "step", "call_2", {}),
        ("list_git_tags_result", "result", "call_2", []),
        ("list_git_tags", "step", "call_3", {"filter": "", "names": [], "by": {}}),
        ("list_git_tags_result", "result", "call_3", ""),
        ("event", "input", None, {}),
        ("event", "input", None, []),
        ("event", "input", None, 0),
        ("event", "input", None, False),
    ),
}

_RENDER = '''\
"""The format {name} without phrasing. Needs Jinja2, and the files beside this one.

render({{"events": [{{"type": ..., "data": ..., "role": ..., "call": ...}}, ...]}}) gives the text that stands for the
thread. The role is input, step or result; the call ties a result to its step, and may be None.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jinja2
import yamltext
from jinja2.sandbox import SandboxedEnvironment

JsonValue = object
PARAMETERS = {parameters}


{json_text}

# a template may write text, and nothing else
ENVIRONMENT = SandboxedEnvironment(autoescape=False, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
ENVIRONMENT.filters |= {{"yaml": yamltext.dump, "json": json_text}}
TEMPLATE = ENVIRONMENT.from_string(Path(__file__).with_name("{file}").read_text("utf-8"))


def render(thread{tools}):
    # a copy: a template may change what it gets
    return TEMPLATE.render(thread=copy.deepcopy(thread), {told}**PARAMETERS).strip()
'''

_TEST = '''\
"""Whether the format {name} renders as it did in phrasing. Run it with Python, or with pytest.{needs}"""

import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
spec = importlib.util.spec_from_file_location("the_format", HERE / "{module}")
the_format = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(the_format)
VECTORS = json.loads((HERE / "{vectors}").read_text("utf-8"))["vectors"]


def test_vectors():
    for vector in VECTORS:
        rendering = the_format.render(vector["thread"]{tools}{parameters})
        # phrasing strips texts, as BAML does
        rendering = rendering.strip() if isinstance(rendering, str) else rendering
        assert rendering == vector["rendering"], vector["name"]


if __name__ == "__main__":
    test_vectors()
    print(f"{{len(VECTORS)}} vectors: good")
'''


@dataclass(frozen=True, slots=True)
class ExportedFormat:
    """The files of an export, by name. ``test`` is the one to run; ``left_out`` says which vectors the format can't render."""

    files: Mapping[str, bytes]
    test: str
    left_out: tuple[str, ...]


def export_format(format: Format) -> ExportedFormat:
    """Give a format with what it needs, vectors as phrasing renders them, and a test that needs no phrasing.

    Raises ``FormatError`` where the format can render none of the vectors' threads.
    """
    stem, given = parameters.split(format.name)
    chosen = parameters.choose(stem, format.parameters, given)
    vectors, left_out, error = [], [], None
    told = format.told is not None
    for (title, rows), tools in product(_THREADS.items(), (False, True) if told else (False,)):
        name = title + " with tools" * tools
        thread = Thread(events=tuple(Event(type=kind, role=role, call=call, data=data) for kind, role, call, data in rows))
        try:
            rendering = formats.render(format.where(tools=tools), thread)
        except FormatError as raised:
            error = raised
            left_out.append(f"{name}: {shorten(str(raised))}")
            continue
        events = formats.events_of(thread, [event.data for event in thread.events])
        offered = {"tools": tools} if told else {}
        vectors.append({"name": name, "thread": {"events": events}, **offered, "rendering": rendering})
    if error and not vectors:
        raise error
    template = format.path.suffix == ".j2"
    # a script finds its neighbours before Python's own modules
    file = f"{stem}_format.py" if not template and stem in sys.stdlib_module_names else format.path.name
    written = {"format": format.name, "parameters": chosen, "vectors": vectors}
    files = {file: format.path.read_bytes(), VECTORS: (json.dumps(written, ensure_ascii=False, indent=1) + "\n").encode()}
    if template:
        json_text, text = inspect.getsource(formats.json_text), json.dumps(chosen)
        taken = {"tools": ", tools" * told, "told": "tools=tools, " * told}
        render = _RENDER.format(name=format.name, file=file, parameters=text, json_text=json_text, **taken)
        files |= {"render.py": render.encode(), "yamltext.py": inspect.getsource(yaml).encode()}
    test = "test_" + re.sub(r"\W", "_", stem) + ".py"
    files[test] = _TEST.format(
        name=format.name,
        needs=" Needs Jinja2." if template else "",
        module="render.py" if template else file,
        vectors=VECTORS,
        tools=', tools=vector["tools"]' * told,
        parameters="" if template else "".join(f", {name}={json.dumps(value)}" for name, value in chosen.items()),
    ).encode()
    return ExportedFormat(files, test, tuple(left_out))
