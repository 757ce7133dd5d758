"""Formats are loaded, called and checked; the shipped ones keep all that a thread holds."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import toon_format
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from phrasing.errors import FormatError
from phrasing.prompts import formats
from phrasing.prompts.probe import probe
from phrasing.types import Event, Rendering, Thread
from support import decoders
from support.paths import REPOSITORY

SHIPPED = REPOSITORY / "formats"
NAMES = ["chat", "json", "json_pretty", "markdown", "messages", "messages_text", "toon", "xml_json", "xml_yaml", "yaml"]
RENAMED = "xml_yaml_renamed"
LOADED = {name: formats.load(SHIPPED, name) for name in (*NAMES, RENAMED)}


def thread(*events: dict[str, Any]) -> Thread:
    return Thread.model_validate({"events": events})


def event(kind: str, data: Any = None, role: str | None = "input", call: str | None = None) -> dict[str, Any]:
    return {"type": kind, "data": data, "role": role, "call": call}


def shown(rendering: Rendering) -> str:
    return rendering if isinstance(rendering, str) else json.dumps(rendering, indent=2, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------ the talk's threads

TAGS = [
    {"name": "v1.2.3", "commit": "abc123", "date": "2024-03-15T10:00:00Z"},
    {"name": "v1.2.2", "commit": "def456", "date": "2024-03-14T15:30:00Z"},
    {"name": "v1.2.1", "commit": "ghi789", "date": "2024-03-13T09:15:00Z"},
]
DEPLOY_TO_PRODUCTION = {"intent": "deploy_backend", "tag": "v1.2.3", "environment": "production"}
TALK = {
    "deploy": thread(
        event("slack_message", {"From": "@alex", "Channel": "#deployments", "Text": "Can you deploy the backend?"}),
        event("list_git_tags", {"intent": "list_git_tags"}, "step"),
        event("list_git_tags_result", {"tags": TAGS}, "result"),
    ),
    "deploy_error": thread(
        event(
            "slack_message",
            {
                "From": "@alex",
                "Channel": "#deployments",
                "Text": "Can you deploy the latest backend to production?",
                "Thread": [],
            },
        ),
        event("deploy_backend", DEPLOY_TO_PRODUCTION, "step"),
        event("error", "error running deploy_backend: Failed to connect to deployment service", "result"),
        event("human_response", {"data": {"response": "I'm not sure, can you check the status of the latest workflow?"}}),
    ),
    "approval": thread(
        event(
            "slack_message", {"From": "@alex", "Channel": "#deployments", "Text": "Can you deploy backend v1.2.3 to production?"}
        ),
        event(
            "request_human_input",
            {
                "intent": "request_human_input",
                "question": "Would you like to proceed with deploying v1.2.3 to production?",
                "options": {"urgency": "high", "format": "yes_no"},
            },
            "step",
        ),
        event(
            "human_response",
            {
                "response": "yes please proceed",
                "approved": True,
                "timestamp": "2024-03-15T10:30:00Z",
                "user": "alex@company.com",
            },
            "result",
        ),
        event("deploy_backend", DEPLOY_TO_PRODUCTION, "step"),
    ),
    "calculator": thread(
        event("user_input", "can you multiply 3 and 4, then divide\nthe result by 2 and then add 12 to that result?"),
        event("multiply", {"a": 3, "b": 4}, "step"),
    ),
    "weather": thread(
        event("initial_message", "whats the weather in tokyo"),
        event("check_weather", {"city": "tokyo"}, "step"),
        event("check_weather_response", '{city: "tokyo", "temp": "73", "skies": "cloudy"}', "result"),
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("talk", TALK)
def test_talk_golden(talk: str, name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"formats/{talk}.{name}.txt", shown(formats.render(LOADED[name], TALK[talk])))


# The slides' own text, where it is well-formed. Left out are three events: a question that the edge of its slide cuts off,
# and two mappings written neither as YAML nor as JSON (`options: {` over several lines; the weather's is kept as text).
SLIDES = {
    "deploy": """
        <slack_message>
          From: @alex
          Channel: #deployments
          Text: Can you deploy the backend?
        </slack_message>

        <list_git_tags>
          intent: "list_git_tags"
        </list_git_tags>

        <list_git_tags_result>
          tags:
            - name: "v1.2.3"
              commit: "abc123"
              date: "2024-03-15T10:00:00Z"
            - name: "v1.2.2"
              commit: "def456"
              date: "2024-03-14T15:30:00Z"
            - name: "v1.2.1"
              commit: "ghi789"
              date: "2024-03-13T09:15:00Z"
        </list_git_tags_result>
        """,
    "deploy_error": """
        <slack_message>
          From: @alex
          Channel: #deployments
          Text: Can you deploy the latest backend to production?
          Thread: []
        </slack_message>

        <deploy_backend>
          intent: "deploy_backend"
          tag: "v1.2.3"
          environment: "production"
        </deploy_backend>

        <error>
          error running deploy_backend: Failed to connect to deployment service
        </error>
        """,
    "calculator": """
        <user_input>
          can you multiply 3 and 4, then divide
          the result by 2 and then add 12 to that result?
        </user_input>

        <multiply>
          a: 3
          b: 4
        </multiply>
        """,
    "weather": """
        <initial_message>
          whats the weather in tokyo
        </initial_message>

        <check_weather>
          city: tokyo
        </check_weather>

        <check_weather_response>
          {city: "tokyo", "temp": "73", "skies": "cloudy"}
        </check_weather_response>
        """,
}


def normalised(text: str) -> str:
    """Take the slides' two spaces before each body line away, and the quotes around a whole value: slides use them at random."""
    text = re.sub(r"^  ", "", textwrap.dedent(text).strip(), flags=re.MULTILINE)
    return re.sub(r'^( *(?:- )?\w+: )"(.*)"$', r"\1\2", text, flags=re.MULTILINE)


def unquoted(text: str) -> str:
    return re.sub(r'^( *(?:- )?\w+: )"(.*)"$', r"\1\2", text, flags=re.MULTILINE)


@pytest.mark.parametrize("talk", SLIDES)
def test_xml_yaml_is_the_text_of_the_slides(talk: str) -> None:
    slide = normalised(SLIDES[talk])
    events = TALK[talk].events[: slide.count("\n\n") + 1]
    assert unquoted(shown(formats.render(LOADED["xml_yaml"], Thread(events=events)))) == slide


# ------------------------------------------------------------------------------------------------ any thread

STEPS = ["deploy_backend", "list_git_tags", "add", "a-b"]
TYPES = ["user_input", "user_message", "slack_message", "error", "human_response", "x.y", *STEPS]
RESULTS = ["error", "human_response", *(f"{step}_result" for step in STEPS), *(f"{step}_response" for step in STEPS)]
texts = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "",
            " ",
            "null",
            "5",
            "a\nb",
            "line\n",
            " a\n  b\n\n",
            "<error>",
            "{}",
            "{a",
            '{"error":1}',
            "[]",
            "</x>",
            "é 🚀",
            "a: b",
        ]
    ),
    st.sampled_from(
        ["{{ thread }}", "{% raw %}", "{# a #}", "yes", "\r\n", "\u2028", "\x00", "intent", 'say "a"', "\\n", "a &amp; b"]
    ),
)
keys = st.one_of(st.sampled_from(["intent", "data", "items", "a", "name", "type", "", "a b", 'q"', "\n"]), texts)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
events = st.one_of(
    st.builds(event, st.sampled_from(TYPES), bodies, st.just("input")),
    st.builds(event, st.sampled_from(STEPS), bodies, st.just("step"), st.sampled_from([None, None, "call_1", "c2", ""])),
    st.builds(event, st.sampled_from(RESULTS), bodies, st.just("result"), st.sampled_from([None, None, "call_1", "c2", ""])),
)
threads = st.lists(events, min_size=1, max_size=6).map(lambda chosen: thread(*chosen))


@given(thread=threads)
@example(thread=thread(event("add", None, "step")))
@example(thread=thread(event("add", {}, "step"), event("add_result", None, "result")))
def test_every_format_takes_every_thread(thread: Thread) -> None:
    before = thread.model_dump_json()
    for name in NAMES:
        rendering = formats.render(LOADED[name], thread)
        assert formats.render(LOADED[name], thread) == rendering
        assert formats.uses_tools(rendering) == (name == "messages" and any(event.role == "step" for event in thread.events))
        if name != "toon" or not decoders.orders_differ(listed(thread)):
            probe(LOADED[name], thread)
    assert thread.model_dump_json() == before


def listed(thread: Thread) -> list[dict[str, Any]]:
    return [{"type": event.type, "data": event.data} for event in thread.events]


@pytest.mark.parametrize(
    ("name", "read"),
    [("json", json.loads), ("json_pretty", json.loads), ("yaml", yaml.safe_load)],
    ids=["json", "json_pretty", "yaml"],
)
@given(thread=threads)
@example(thread=thread(event("a"), event("a", "x\n")))
@example(thread=thread(event("a", "x\n\n")))
@example(thread=thread(event("a", {"b": ["y\nx "]})))
def test_one_document_reads_back(name: str, read: Callable[[str], Any], thread: Thread) -> None:
    assert decoders.same(read(shown(formats.render(LOADED[name], thread))), listed(thread))


@given(thread=threads)
def test_json_pretty_is_what_the_standard_library_indents(thread: Thread) -> None:
    assert formats.render(LOADED["json_pretty"], thread) == json.dumps(listed(thread), indent=2, ensure_ascii=False)


@given(thread=threads)
@example(
    thread=thread(
        event("a", [[[], {"a": {}}], {"b": [["x"], "\n", " ", "- 1", "**a**: 1", "1"]}, {"a**:": 1, '"': "a\nb", "\n": 2}])
    )
)
@example(thread=thread(event("a", ""), event("a"), event("a", {}), event("a", []), event("a", "\n\n"), event("a", "x\n")))
def test_markdown_reads_back(thread: Thread) -> None:
    texts = [event.data for event in thread.events if isinstance(event.data, str)]
    # Marked `spoofable`: a heading in a text can't be told from an event's, nor its quotes from those around white space.
    assume(not any(text.startswith('"') or f"\n{text}".find("\n## ") >= 0 for text in texts))
    is_text = [isinstance(event.data, str) for event in thread.events]
    decoded = decoders.markdown(shown(formats.render(LOADED["markdown"], thread)), is_text)
    assert decoders.same(decoded, [(event.type, event.data) for event in thread.events])


def test_markdown_keeps_text_as_it_is() -> None:
    text = '# Log\n\n- "a": *b*\n  1'
    assert formats.render(LOADED["markdown"], thread(event("a", text), event("b", text))) == f"## a\n\n{text}\n\n## b\n\n{text}"


@given(thread=threads)
@example(thread=thread(event("a", {"x": 1, "y": 2}), event("b", {"y": 3, "x": 4.0})))
@example(thread=thread(event("a", "x\u2028")))
@example(thread=thread(event("a", [-0.0, 1e21, 2.0**60, 1e-7, 10**30, "1.0", "05", "\ufeff"])))
def test_toon_reads_back(thread: Thread) -> None:
    decoded = toon_format.loads(shown(formats.render(LOADED["toon"], thread)))
    # A table has one order of keys, so two orders need not survive; and TOON has one kind of number, so 1.0 is 1.
    in_any_order = decoders.orders_differ(listed(thread))
    assert json.dumps(decoded, sort_keys=in_any_order) == json.dumps(decoders.whole(listed(thread)), sort_keys=in_any_order)


def test_toon_writes_what_is_alike_as_tables() -> None:
    rendering = formats.render(LOADED["toon"], thread(event("a", {"x": 1, "y": "b"}), event("c", {"x": 2, "y": "d, e"})))
    assert rendering == '[2]{type,data{x,y}}:\n  a,1,b\n  c,2,"d, e"'


def test_the_probe_tells_of_rows_that_toon_reorders() -> None:
    rows = [{"x": "1", "y": "2"}, {"y": "3", "x": "4"}]
    with pytest.raises(FormatError, match=r"toon\.py: moves events\[0\]\.data\[1\]\.x out of order$"):
        probe(LOADED["toon"], thread(event("a", rows)))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("messages")])
def test_a_number_that_json_lacks_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match=rf"/{name}\..*raised ValueError: .*(not JSON compliant|not a JSON number)"):
        formats.render(LOADED[name], thread(event("a", [float("nan")])))


def test_toon_says_how_to_get_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "toon_format", None)
    wanted = r"toon\.py:\d+: raised ImportError: this format needs the package toon-format: python -m pip install '"
    with pytest.raises(FormatError, match=wanted):
        formats.load(SHIPPED, "toon")


@pytest.mark.parametrize(("name", "read"), [("xml_yaml", yaml.safe_load), ("xml_json", json.loads)], ids=["xml_yaml", "xml_json"])
@given(thread=threads)
@example(
    thread=thread(event("a", {"text": "x\n"}), event("a", ""), event("a"), event("a", {}), event("a", []), event("a", "\n\n"))
)
def test_tags_read_back(name: str, read: Callable[[str], Any], thread: Thread) -> None:
    rendering = shown(formats.render(LOADED[name], thread))
    for event in thread.events:
        if isinstance(event.data, str):
            assert f"<{event.type}>\n{event.data}\n</{event.type}>" in rendering
    # Marked `spoofable`: what closes its own tag can't be told from the end.
    assume(all(rendering.count(f"</{kind}>") == n for kind, n in counted(event.type for event in thread.events).items()))
    decoded = decoders.tagged(rendering, [isinstance(event.data, str) for event in thread.events], read)
    assert decoders.same(decoded, [(event.type, event.data) for event in thread.events])


def counted(names: Any) -> dict[str, int]:
    listed = list(names)
    return {name: listed.count(name) for name in listed}


@pytest.mark.parametrize(
    ("name", "decode", "matches"),
    [
        ("messages", decoders.tool_messages, decoders.tool_message_matches),
        ("messages_text", decoders.text_messages, decoders.text_message_matches),
    ],
    ids=["messages", "messages_text"],
)
@given(thread=threads)
def test_messages_read_back(name: str, decode: Any, matches: Any, thread: Thread) -> None:
    decoded = decode(formats.render(LOADED[name], thread))
    assert len(decoded) == len(thread.events)
    for event, one in zip(thread.events, decoded, strict=True):
        assert matches(asdict(event), one)


@given(thread=threads)
def test_messages_have_the_types_of_the_openai_client(thread: Thread) -> None:
    from openai.types.chat import ChatCompletionMessageParam
    from pydantic import TypeAdapter

    adapter = TypeAdapter(list[ChatCompletionMessageParam])
    for name in ("messages", "messages_text"):
        rendering = formats.render(LOADED[name], thread)
        for message in adapter.validate_python(rendering):
            # Validated only when it is read.
            list(message.get("tool_calls") or ())


# ------------------------------------------------------------------------------------------------ messages


def roles(*events: dict[str, Any]) -> list[tuple[str, Any]]:
    """Each message as its role and what it says: a tool message as ``id: content``, tool calls as ``id: name arguments``."""
    said: list[tuple[str, Any]] = []
    for message in formats.render(LOADED["messages"], thread(*events)):
        assert isinstance(message, dict)
        if message["role"] == "assistant":
            calls = [f"{c['id']}: {c['function']['name']} {c['function']['arguments']}" for c in message["tool_calls"]]
            said.append(("assistant", calls))
        elif message["role"] == "tool":
            said.append(("tool", f"{message['tool_call_id']}: {message['content']}"))
        else:
            said.append((message["role"], message["content"]))
    return said


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param([event("user_input", "hi")], [("user", "hi")], id="what a user said"),
        pytest.param(
            [event("user_input", "{hi")], [("user", '{"user_input":"{hi"}')], id="what a user said that looks like JSON"
        ),
        pytest.param([event("user_input", " ")], [("user", '{"user_input":" "}')], id="what a user said that is blank"),
        pytest.param([event("slack_message", "hi")], [("user", '{"slack_message":"hi"}')], id="another input"),
        pytest.param([event("add", None, "step")], [("assistant", ["call_1: add {}"]), ("tool", "call_1: ")], id="no result yet"),
        pytest.param(
            [event("add", 3, "step"), event("add_result", None, "result")],
            [("assistant", ['call_1: add {"data":3}']), ("tool", "call_1: null")],
            id="data that is no object, and a result of null",
        ),
        pytest.param(
            [event("add", {"a": 1}, "step"), event("error", "no", "result"), event("add_result", 2, "result")],
            [("assistant", ['call_1: add {"a":1}']), ("tool", 'call_1: {"error":"no"}'), ("user", '{"add_result":2}')],
            id="a result by another name, and one too many",
        ),
        pytest.param(
            [
                event("add", {"a": 1}, "step"),
                event("mul", {"a": 2}, "step"),
                event("mul_result", 4, "result"),
                event("add_response", 3, "result"),
            ],
            [("assistant", ['call_1: add {"a":1}', 'call_2: mul {"a":2}']), ("tool", "call_2: 4"), ("tool", "call_1: 3")],
            id="two calls, answered by name",
        ),
        pytest.param(
            [
                event("add", {}, "step", "x"),
                event("add", {}, "step", "y"),
                event("add_result", 1, "result", "y"),
                event("user_input", "wait"),
                event("add_result", 2, "result", "x"),
            ],
            [
                ("assistant", ["x: add {}", "y: add {}"]),
                ("tool", "y: 1"),
                ("tool", "x: "),
                ("user", "wait"),
                ("user", '{"add_result":2}'),
            ],
            id="two calls, answered by id, one late",
        ),
        pytest.param(
            [event("add", {}, "step", "call_1"), event("mul", {}, "step"), event("sub", {}, "step", "call_1")],
            [
                ("assistant", ["call_1: add {}", "call_2: mul {}", "call_3: sub {}"]),
                ("tool", "call_1: "),
                ("tool", "call_2: "),
                ("tool", "call_3: "),
            ],
            id="ids that are taken",
        ),
    ],
)
def test_messages(given: list[dict[str, Any]], wanted: list[tuple[str, Any]]) -> None:
    assert roles(*given) == wanted


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, '{"intent":"add"}'),
        ({"a": 1}, '{"intent":"add","a":1}'),
        ({"a": 1, "intent": "add"}, '{"a":1,"intent":"add"}'),
        ({"intent": "other"}, '{"intent":"add","data":{"intent":"other"}}'),
        ([1], '{"intent":"add","data":[1]}'),
    ],
    ids=["no data", "arguments", "intent in the data", "another intent in the data", "data that is no object"],
)
def test_messages_text_says_a_step_as_the_model_would(data: Any, said: str) -> None:
    assert formats.render(LOADED["messages_text"], thread(event("add", data, "step"), event("add_result", 3, "result"))) == [
        {"role": "assistant", "content": said},
        {"role": "user", "content": '{"add_result":3}'},
    ]


def test_messages_text_never_ends_with_the_assistant() -> None:
    rendering = formats.render(LOADED["messages_text"], thread(event("add", {}, "step")))
    assert rendering == [{"role": "assistant", "content": '{"intent":"add"}'}, {"role": "user", "content": "{}"}]


@pytest.mark.parametrize("name", ["messages", "messages_text"])
def test_messages_need_roles(name: str) -> None:
    with pytest.raises(
        FormatError, match=rf"/{name}\.py:\d+: raised ValueError: events\[1\] \('b'\) has no role: input, step or result$"
    ):
        formats.render(LOADED[name], thread(event("a"), event("b", role=None)))


def test_null_and_empty_data_differ_in_every_format() -> None:
    for name in NAMES:
        made = {shown(formats.render(LOADED[name], thread(event("a", data)))) for data in (None, {}, [], "")}
        assert len(made) == 4


@pytest.mark.parametrize("name", NAMES)
def test_marks_and_digest_of_the_shipped_formats(name: str) -> None:
    loaded = LOADED[name]
    assert loaded.name == name
    assert loaded.path.stem == name
    assert re.fullmatch(r"[0-9a-f]{64}", loaded.digest)
    quoting = {"json", "json_pretty", "messages_text", "toon", "yaml"}
    assert (loaded.injectable is None) == (name in quoting)  # test_spoofing has the witnesses
    assert loaded.lossy is None


# ------------------------------------------------------------------------------------------------ files


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a format file under ``formats/`` of an empty working folder and return its name."""
    monkeypatch.chdir(tmp_path)
    Path("formats").mkdir()

    def put(file: str, source: str) -> str:
        Path("formats", file).write_bytes(textwrap.dedent(source).encode())
        return Path(file).stem

    return put


Write = Callable[[str, str], str]
HERE = Path("formats")
HELLO = thread(event("hello", {"name": "you", "n": 1}))


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(FormatError) as caught:
        run()
    return str(caught.value)


def test_available_lists_formats_only(write: Write) -> None:
    for file in ("b.j2", "a.py", "_part.j2", ".hidden.py", "README.md", "c.txt"):
        write(file, "")
    Path("formats/d.py").mkdir()
    assert formats.available(HERE) == {"a": HERE / "a.py", "b": HERE / "b.j2"}


def test_marks_come_from_header_comments_and_constants(write: Write) -> None:
    template = write("t.j2", "{# A trace. #}\n{#- spoofable: borders\n  are words -#}\n{# lossy: dates #}\nx {# spoofable: no #}")
    module = write("m.py", "SPOOFABLE = 'words'\nLOSSY = 'dates'\ndef render(thread): return 'x'")
    plain = write("p.j2", "x {# lossy: not in the header #}")
    assert [formats.load(HERE, template).injectable, formats.load(HERE, template).lossy] == ["borders are words", "dates"]
    assert [formats.load(HERE, module).injectable, formats.load(HERE, module).lossy] == ["words", "dates"]
    assert formats.load(HERE, plain).lossy is None


def test_the_digest_follows_the_bytes_and_so_does_the_code(write: Write) -> None:
    first = formats.load(HERE, write("f.py", "def render(thread): return 'a'"))
    second = formats.load(HERE, write("f.py", "def render(thread): return 'b'"))
    assert first.digest != second.digest
    assert [formats.render(first, HELLO), formats.render(second, HELLO)] == ["a", "b"]


def test_loading_a_module_leaves_no_traces(write: Write) -> None:
    path = list(sys.path)
    source = "import dataclasses\n@dataclasses.dataclass\nclass A:\n  b: 'int'\ndef render(thread): return repr(A(3))"
    assert formats.render(formats.load(HERE, write("f.py", source)), HELLO) == "A(b=3)"
    assert sys.path == path
    assert [file.name for file in HERE.iterdir()] == ["f.py"]


def test_a_format_that_changes_its_input_harms_nobody(write: Write) -> None:
    source = "def render(thread):\n  thread['events'][0]['data']['name'] += '!'\n  return str(thread['events'].pop()['data'])"
    format = formats.load(HERE, write("f.py", source))
    assert formats.render(format, HELLO) == formats.render(format, HELLO) == "{'name': 'you!', 'n': 1}"
    assert HELLO.events[0].data == {"name": "you", "n": 1}


def test_filters_and_white_space(write: Write) -> None:
    source = (
        "\n  {% for event in thread.events %}\n{{ event.data | json }}\n    {% endfor %}\n{{ thread.events[0].data | yaml }}\n\n"
    )
    body = {"z": "<é'>&", "a": [1.5]}
    rendering = formats.render(formats.load(HERE, write("f.j2", source)), thread(event("a", body)))
    assert rendering == '{"z":"<é\'>&","a":[1.5]}\nz: <é\'>&\na:\n  - 1.5'


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({"xml.j2": "x", "json.py": "x"}, "xlm", "formats: format 'xlm' not found (did you mean 'xml'?); there are: json, xml"),
        ({}, "a", "formats: format 'a' not found; there are: none"),
        ({"a.j2": "x", "a.py": "x"}, "a", "formats/a.py: the name 'a' is taken by formats/a.j2; rename one of them"),
        ({"a b.j2": "x"}, "a b", "formats/a b.j2: the name 'a b' must be letters, digits, '_', '-' and '.'"),
        ({"a.j2": "x\n{% for %}"}, "a", "formats/a.j2:2: Expected an expression, got 'end of statement block'"),
        (
            {"a.j2": "x\n{{ thread | tojson }}"},
            "a",
            "formats/a.j2:2: the filter 'tojson' sorts keys and escapes < > & ' and non-ASCII text; use 'json', which keeps both",
        ),
        ({"a.j2": "{{ thread | yml }}"}, "a", "formats/a.j2:1: No filter named 'yml'."),
        ({"a.j2": "{# lossy: #}x"}, "a", "formats/a.j2: the mark 'lossy' needs a reason in words, got ''"),
        (
            {"a.py": "SPOOFABLE = True\ndef render(t): pass"},
            "a",
            "formats/a.py: the mark 'spoofable' needs a reason in words, got True",
        ),
        ({"a.py": "x = 1\ndef render(thread:"}, "a", "formats/a.py:2: SyntaxError: '(' was never closed"),
        ({"a.py": "import no_such"}, "a", "formats/a.py:1: raised ModuleNotFoundError: No module named 'no_such'"),
        ({"a.py": "render = 3"}, "a", "formats/a.py: defines no function render(thread)"),
    ],
    ids=["unknown", "none", "twice", "name", "syntax", "tojson", "filter", "empty mark", "mark", "python", "import", "no render"],
)
def test_a_file_that_is_wrong(write: Write, files: dict[str, str], name: str, message: str) -> None:
    for file, source in files.items():
        write(file, source)
    assert refused(lambda: formats.load(HERE, name)) == message


def test_a_folder_that_is_not_there(write: Write) -> None:
    assert refused(lambda: formats.available(Path("nowhere"))) == "nowhere: no such folder"


def test_a_template_that_is_not_utf8(write: Write) -> None:
    Path("formats/a.j2").write_bytes(b"\xff")
    message = "formats/a.j2: not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
    assert refused(lambda: formats.load(HERE, "a")) == message


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("a.j2", "x\n{{ thread.evnts }}", ":2: raised UndefinedError: 'dict object' has no attribute 'evnts'"),
        ("a.j2", "{% include 'b.j2' %}", ":1: raised TypeError: no loader for this environment specified"),
        ("a.j2", "{{ thread | map('tojson') | list }}", ":1: raised TemplateRuntimeError: No filter named 'tojson'."),
        ("a.py", "def render(thread):\n  return f(thread)\ndef f(x):\n  return x['y']", ":4: raised KeyError: 'y'"),
        ("a.py", "def render(thread): raise ValueError('x' * 999)", f":1: raised ValueError: {'x' * 300}…"),
        ("a.j2", " \n {{ '' }}", ": returned str '\\n'; wanted a text or a list of messages that isn't empty"),
        ("a.py", "def render(thread): pass", ": returned None; wanted a text or a list of messages that isn't empty"),
        (
            "a.py",
            "def render(thread): return {'a': 1}",
            ": returned dict {'a': 1}; wanted a text or a list of messages that isn't empty",
        ),
        (
            "a.py",
            "def render(thread): return 'x BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER:y'",
            ": the text holds 'BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER', which BAML reads as the border of a message or of media",
        ),
        (
            "a.py",
            "def render(thread): return [{'role': 'user', 'content': 'BAML_MEDIA_MAGIC_STRING_DELIMITER'}]",
            ": messages[0].content holds 'BAML_MEDIA_MAGIC_STRING_DELIMITER', "
            "which BAML reads as the border of a message or of media",
        ),
        ("a.py", "def render(thread): return 'a\\ud83d'", ": the text holds half a character (U+D83D), which can't be sent"),
    ],
    ids=["undefined", "include", "map", "raises", "long", "empty", "none", "type", "role token", "media token", "surrogate"],
)
def test_a_format_that_raises_or_returns_something_else(write: Write, file: str, source: str, message: str) -> None:
    format = formats.load(HERE, write(file, source))
    assert refused(lambda: formats.render(format, HELLO)) == f"formats/{file}{message}"


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER = {"role": "tool", "tool_call_id": "1", "content": ""}
USER = {"role": "user", "content": "hi"}


def called(**function: Any) -> dict[str, Any]:
    return {**ASKED, "tool_calls": [{**CALL, "function": {**CALL["function"], **function}}]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "returned no messages"),
        (["hi"], "messages[0]: str 'hi' is not a dict"),
        (
            [{"role": "bot", "content": ""}],
            "messages[0].role: 'bot' not found; there are: assistant, developer, system, tool, user",
        ),
        ([{"role": ["user"]}], "messages[0].role: ['user'] not found; there are: assistant, developer, system, tool, user"),
        ([USER | {"nam": "a"}], "messages[0]: key 'nam' not found; a message of role 'user' has: content, role"),
        ([USER | {"tool_calls": []}], "messages[0]: key 'tool_calls' not found; a message of role 'user' has: content, role"),
        ([USER | {"content": None}], "messages[0].content: None is not a text"),
        ([{"role": "assistant"}], "messages[0].content: None is not a text"),
        ([USER | {"content": [{"type": "text"}]}], "messages[0].content: list [{'type': 'text'}] is not a text"),
        ([ASKED | {"tool_calls": []}], "messages[0].tool_calls: list [] is not a list of tool calls"),
        (
            [ASKED | {"tool_calls": ["x"]}],
            "messages[0].tool_calls[0]: str 'x' is not {'id': ..., 'type': 'function', 'function': ...}",
        ),
        (
            [ASKED | {"tool_calls": [{"id": "1", "name": "add"}]}],
            "messages[0].tool_calls[0]: dict {'id': '1', 'name': 'add'} is not {'id': ..., 'type': 'function', 'function': ...}",
        ),
        (
            [ASKED | {"tool_calls": [CALL, CALL]}],
            "messages[0].tool_calls[1].id: '1' is not a text that no other call of the message has",
        ),
        (
            [ASKED | {"tool_calls": [CALL | {"function": {"name": "add"}}]}],
            "messages[0].tool_calls[0].function: dict {'name': 'add'} is not {'name': ..., 'arguments': ...}",
        ),
        ([called(name="a.b")], "messages[0].tool_calls[0].function.name: 'a.b' is not 1 to 64 of a-z, A-Z, 0-9, _ and -"),
        ([called(arguments={})], "messages[0].tool_calls[0].function.arguments: dict {} is not the text of a JSON object"),
        ([called(arguments="[1]")], "messages[0].tool_calls[0].function.arguments: str '[1]' is not the text of a JSON object"),
        ([called(arguments="{")], "messages[0].tool_calls[0].function.arguments: str '{' is not the text of a JSON object"),
        (
            [called(arguments='{"a": "BAML_MEDIA_MAGIC_STRING_DELIMITER"}')],
            "messages[0].tool_calls[0].function.arguments holds 'BAML_MEDIA_MAGIC_STRING_DELIMITER', "
            "which BAML reads as the border of a message or of media",
        ),
        (
            [ASKED | {"tool_calls": [CALL | {"id": "\udc00"}]}],
            "messages[0].tool_calls[0].id holds half a character (U+DC00), which can't be sent",
        ),
        ([ASKED, USER], "messages[1]: a message of role 'user' before the answers to the tool calls 1"),
        ([ASKED], "the tool calls 1 have no answer"),
        ([ANSWER, USER], "messages[0].tool_call_id: '1' answers no open tool call; there are: none"),
        ([ASKED, ANSWER | {"tool_call_id": ["1"]}], "messages[1].tool_call_id: ['1'] answers no open tool call; there are: 1"),
        ([ASKED, ANSWER, ANSWER], "messages[2].tool_call_id: '1' answers no open tool call; there are: none"),
        (
            [USER, {"role": "assistant", "content": "hm"}],
            "the last message is the assistant's: servers would continue it instead of answering",
        ),
    ],
    ids=[str(number) for number in range(26)],
)
def test_messages_that_the_api_refuses(write: Write, messages: list[Any], message: str) -> None:
    format = formats.load(HERE, write("a.py", f"def render(thread): return {messages!r}"))
    assert refused(lambda: formats.render(format, HELLO)) == f"formats/a.py: {message}"


def test_messages_that_the_api_takes(write: Write) -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "developer", "content": ""}, USER, USER, ASKED, ANSWER]
    rendering = formats.render(formats.load(HERE, write("a.py", f"def render(thread): return {messages!r}")), HELLO)
    assert rendering == messages
    assert formats.uses_tools(rendering)
    assert not formats.uses_tools(messages[:4])
    assert not formats.uses_tools("text")


# ------------------------------------------------------------------------------------------------ probing


def each(body: str) -> str:
    return "{% for e in thread.events %}" + body + "{% endfor %}"


PROBED = thread(
    event("a", {"tags": [{"name": "v1"}, {"name": "v2"}], "n": 12, "x": 1.5, "ok": True}),
    event("b", {"at": "noon", "a b": None}),
)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ thread.events[1].data | json }}", "drops events[0].data.tags[0].name"),
        ("{{ thread.events[0].data | json }}", "drops events[1].data.at"),
        ("{{ thread.events | reverse | list | json }}", "moves events[1].data.at out of order"),
        (each("{% for k, v in e.data.items() %}{{ k }}={{ v if k != 'n' else 3 }} {% endfor %}"), "drops events[0].data.n"),
        (each("{{ e.data.tags | default([]) | map(attribute='name') | list }}"), "drops events[0].data.n"),
        (each("{% for v in e.data.values() %}{{ v }} {% endfor %}"), "drops the key events[0].data.tags"),
        ("{{ (thread.events | json).replace('\"ok\":true', '') }}", "drops the key events[0].data.ok"),
        ("{{ (thread.events | json).replace('\"a b\":null', '') }}", 'drops the key events[1].data["a b"]'),
        ("{{ (thread.events | json).replace('.0625', '') }}", "drops events[0].data.x"),
        ("{{ (thread.events | json).replace('1', '11') }}", "drops events[0].data.tags[0].name"),
        ("{{ (thread.events | json) | upper }}", "drops events[0].data.tags[0].name"),
        (
            "{{ thread.events | json }}{% for i in range(9) %}{{ [1, 2, 3, 4, 5, 6, 7, 8, 9] | random }}{% endfor %}",
            "renders the same thread",
        ),
    ],
    ids=[
        "event",
        "last event",
        "order",
        "number",
        "leaves",
        "keys",
        "key of a bool",
        "key of a null",
        "decimals",
        "digits",
        "case",
        "chance",
    ],
)
def test_the_probe_finds_what_a_format_loses(write: Write, source: str, message: str) -> None:
    format = formats.load(HERE, write("a.j2", source))
    formats.render(format, PROBED)
    assert refused(lambda: probe(format, PROBED)).startswith(f"formats/a.j2: {message}")


def test_a_key_may_be_left_out_where_no_other_would_be(write: Write) -> None:
    said = thread(event("respond", {"message": "hello"}), event("respond", {"message": 7}), event("respond", {"text": "bye"}))
    implied = each("{% if 'message' in e.data %}{{ e.data.message }}{% else %}{{ e.data | json }}{% endif %}")
    probe(formats.load(HERE, write("a.j2", implied)), said)
    always = formats.load(HERE, write("b.j2", each("{{ e.data.values() | first }}")))
    assert refused(lambda: probe(always, said)) == "formats/b.j2: drops the key events[0].data.message"


# What the agent said, and what looks like it.
SAYING = [
    ("input", "user_message", "hi", None),
    ("step", "respond", {"message": "Let me look."}, "call_1"),
    ("step", "find", {"id": 7}, "call_2"),
    ("result", "find_result", "home", "call_2"),
    ("step", "respond", {"message": "At home."}, "call_3"),
    ("input", "user_message", "thanks", None),
    ("step", "respond", {"message": "Bye", "mood": "good"}, "call_4"),
    ("step", "respond", {"message": ""}, "call_5"),
    ("input", "user_message", "bye", None),
    ("step", "respond", {"message": "Bye"}, "call_6"),
]


def test_what_the_agent_said_is_its_own_text_in_messages() -> None:
    said = Thread(events=tuple(Event(role=role, type=kind, data=data, call=call) for role, kind, data, call in SAYING))  # type: ignore[arg-type]
    messages = formats.render(formats.load(SHIPPED, "messages"), said)
    assert isinstance(messages, list)
    shown = [(message["role"], message["content"], len(message.get("tool_calls", ()))) for message in messages]
    assert shown == [
        ("user", "hi", 0),
        ("assistant", "Let me look.", 1),
        ("tool", '"home"', 0),
        ("assistant", "At home.", 0),
        ("user", "thanks", 0),
        ("assistant", None, 2),
        ("tool", "", 0),
        ("tool", "", 0),
        ("user", "bye", 0),
        ("assistant", None, 1),
        ("tool", "", 0),
    ]
    probe(formats.load(SHIPPED, "messages"), said)


def test_the_probe_finds_a_text_cut_short(write: Write) -> None:
    long = thread(event("a", "word " * 100))
    for cut in ("[:200]", "[-200:]", "[:100] ~ e.data[-100:]"):
        format = formats.load(HERE, write("a.j2", each(f"{{{{ e.data{cut} }}}}")))
        assert refused(lambda format=format: probe(format, long)) == "formats/a.j2: cuts events[0].data short"  # type: ignore[misc]


@pytest.mark.parametrize("written", ["{{ e.data.n }}1", "1{{ e.data.n }}", "1.{{ e.data.n }}", "{{ e.data.n }}.5"])
def test_the_probe_is_not_fooled_by_a_number_inside_another(write: Write, written: str) -> None:
    format = formats.load(HERE, write("a.j2", each(f"n: {written}")))
    assert refused(lambda: probe(format, thread(event("a", {"n": 1})))) == "formats/a.j2: drops events[0].data.n"


def test_the_probe_is_not_fooled_by_a_key_inside_another(write: Write) -> None:
    format = formats.load(HERE, write("a.j2", each("tags: {{ e.data.tags }} my_tag")))
    message = "formats/a.j2: drops the key events[0].data.tag"
    assert refused(lambda: probe(format, thread(event("a", {"tag": True, "tags": 1})))) == message


def test_the_probe_lets_a_format_change_its_input(write: Write) -> None:
    source = "def render(thread):\n  data = thread['events'][0]['data']\n  return str([data.popitem()[0] for _ in list(data)])"
    probe(formats.load(HERE, write("a.py", source)), thread(event("a", {"x": True})))


def test_the_probe_does_not_take_a_word_in_a_text_for_a_key(write: Write) -> None:
    format = formats.load(HERE, write("a.j2", each("text {{ e.data.text }}")))
    said = thread(event("a", {"tag": True, "text": "one tag, another tag, any tag"}))
    assert refused(lambda: probe(format, said)) == "formats/a.j2: drops the key events[0].data.tag"


@pytest.mark.parametrize(
    "source",
    [
        each("{% for k, v in e.data.items() %}{{ k }}({{ v }}) {% endfor %}"),
        each("{% for k, v in e.data.items() %}{{ k }}: v{{ v | string }}ms.\n{% endfor %}"),
        "tags[2]{name}:{% for t in thread.events[0].data.tags %} v{{ t.name }}{% endfor %}. {{ thread.events | string }}",
        "{# lossy: everything #}x",
    ],
    ids=["words", "affixes", "table", "lossy"],
)
def test_the_probe_leaves_other_shapes_alone(write: Write, source: str) -> None:
    probe(formats.load(HERE, write("a.j2", source)), PROBED)


def test_the_format_under_a_second_name_is_the_same_file() -> None:
    # What evals/aa.yaml finds between the two must be luck.
    assert (SHIPPED / "xml_yaml_again.j2").read_bytes() == (SHIPPED / "xml_yaml.j2").read_bytes()


@given(thread=threads)
def test_the_control_has_other_tags_of_the_same_length_and_nothing_else(thread: Thread) -> None:
    one, other = (formats.render(LOADED[name], thread) for name in ("xml_yaml", RENAMED))
    assert isinstance(one, str)
    assert isinstance(other, str)
    assert len(one) == len(other)
    words = re.compile("_(?:result|message|received|input|response)|error")
    if not any(words.search(event.type) for event in thread.events):
        assert one == other


# ------------------------------------------------------------------------------------------------ told whether tools are offered


@given(thread=threads)
def test_chat_is_the_messages_that_go_with_the_tools(thread: Thread) -> None:
    for tools, name in ((True, "messages"), (False, "messages_text")):
        assert formats.render(LOADED["chat"].where(tools=tools), thread) == formats.render(LOADED[name], thread)
        probe(LOADED["chat"].where(tools=tools), thread)


TOLD = {
    "a.py": "def render(thread, tools):\n    return f'{tools}'",
    "b.py": "def render(thread, *, tools):\n    return f'{tools}'",
    "c.py": "PARAMETERS = {'n': (1, 2)}\ndef render(thread, tools, n):\n    return f'{tools}'",
    "d.j2": "{{ tools }}",
    "e.j2": "{# parameter n: 1 2 #}\n{{ tools }}{{ '' if n else '' }}",
}
UNTOLD = {
    "f.py": "def render(thread, tools=7):\n    return f'{tools}'",
    "g.py": "def render(tools):\n    return '7'",
    "h.py": "PARAMETERS = {'tools': (7, 8)}\ndef render(thread, tools):\n    return f'{tools}'",
    "i.j2": "{# parameter tools: 7 8 #}\n{{ tools }}",
    "j.py": "def render(thread, **tools):\n    return '7'",
    "k.j2": "{% set tools = 7 %}{{ tools }}",
}


@pytest.mark.parametrize("file", TOLD)
def test_a_format_that_asks_is_told_whether_tools_are_offered(file: str, write: Write) -> None:
    format = formats.load(HERE, write(file, TOLD[file]))
    assert [formats.render(format.where(tools=tools), HELLO) for tools in (True, False, True)] == ["True", "False", "True"]
    assert formats.render(format, HELLO) == "False"
    assert [formats.render(format.where(tools=True).where(tools=tools), HELLO) for tools in (False, True)] == ["False", "True"]


@pytest.mark.parametrize("file", UNTOLD)
def test_a_format_that_does_not_ask_is_called_as_before(file: str, write: Write) -> None:
    format = formats.load(HERE, write(file, UNTOLD[file]))
    assert format.where(tools=True) is format
    assert formats.render(format, HELLO) == "7"


# ------------------------------------------------------------------------------------------------ docs/formats.md


@pytest.mark.parametrize("name", [*NAMES, RENAMED])
def test_the_documentation_shows_what_the_formats_make(name: str) -> None:
    text = (SHIPPED.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    example = Thread.model_validate_json(text.split("One thread in each:\n\n```json\n")[1].split("```")[0])
    section = text.split(f"\n### `{name}`")[-1]  # a filter may have the same name
    block = section.split("```\n")[1]
    rendering = formats.render(LOADED[name], example)
    made = rendering if isinstance(rendering, str) else "\n".join(formats.json_text(message) for message in rendering)
    assert block == made + "\n"
