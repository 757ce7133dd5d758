"""Whether logged requests are held against what is composed here: own ones are equal, and one changed character isn't."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phrasing.errors import UserError
from phrasing.importers.cases import Said
from phrasing.importers.conversation import Sent
from phrasing.importers.messages.sent import read_sent
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.verify import Composer, Difference, Outcome, compositions, grouped, parts
from phrasing.suite.file import load_suite
from phrasing.types import Piece
from support.small_projects import MAIL, SHIPPED, cache, case, event, function, project, write
from support.tiers import examples

__all__ = ["cache"]

FORMATS = (
    "chat",
    "json",
    "json_pretty",
    "markdown",
    "yaml",
    "toon",
    "trace",
    "xml_json",
    "xml_yaml",
    "xml_yaml_again",
    "messages",
    "messages_text",
)
"""Those that ship, but for a trace's parameters."""

Logged = tuple[tuple[str, str], Sent]
"""A request, with the format and the output mode that it was composed with."""

ODD = "{% for event in thread.events %}{{ event.type }} => {{ event.data | json }}\n{% endfor %}"
"""A format that isn't known here: its threads can't be read back."""

TRACES = (
    "tag=attribute",
    "tag=bracket",
    "tag=heading",
    "indent=2",
    "separator=line",
    "intent=yes",
    "call=yes",
    "body=lines",
    "body=json_pretty",
)
OUTPUTS = ("prompted", "native", "native_bare", "tool")

TALK = (
    event("user_message", "send it: to ann, now"),
    event("search", {"query": "a: b, é", "limit": 3}),
    event("search_result", {"hits": [{"name": "v1", "at": "2024-03-15"}, {"name": "no"}], "more": False}),
    event("send", {"to": "ann", "urgent": True}),
    event("error", "no connection"),
    event("mail", {"subject": "two\n\nlines", "size": 1.5}),
    event("count", 42),
    event("note", "  spaces\n   here"),
    event("search", {"query": "again"}),
)
CASES = (
    case("talk", *TALK),
    case("asked", event("user_message", "hello")),
    case("called", event("user_message", "hi"), event("finish"), event("finish_result", {"ok": True})),
)
OTHERS = (case("other", event("user_message", "another")),)


def files() -> dict[str, str]:
    shipped = {f"formats/{path.name}": path.read_text("utf-8") for path in SHIPPED.iterdir() if path.is_file()}
    return {**shipped, "formats/odd.j2": ODD}


def planned(root: Path, cases: Any = CASES, **changed: Any) -> Plan:
    project(root, datasets={"mail": list(cases)})
    write(root, files())
    wanted: dict[str, Any] = {"formats": list(FORMATS), "outputs": list(OUTPUTS), **changed}
    return resolve(project(root, datasets={"mail": list(cases)}, **wanted))


def requests(plan: Plan) -> Iterator[tuple[tuple[str, str], Sent]]:
    """Give what each trial sends, as a log would hold it, by format and output."""
    for trial in plan.trials:
        request = plan.request(trial, plan.prompt(trial))
        body = {"messages": request.messages, "tools": request.tools, "response_format": request.response_format}
        sent = read_sent(json.loads(json.dumps(body)), whole=True)
        assert isinstance(sent, Sent)
        yield (trial.variant.format, trial.variant.output), sent


def outcomes(plan: Plan, sent: Sent) -> dict[tuple[str, str], Outcome]:
    return {(one.format, one.output): Composer(plan, one, Said()).outcome(sent) for one in compositions(plan)}


@pytest.mark.parametrize("names", [FORMATS, tuple(f"trace({setting})" for setting in TRACES)], ids=["shipped", "traces"])
def test_own_requests_are_equal_though_no_case_is_known(names: tuple[str, ...], tmp_path: Path) -> None:
    made = list(requests(planned(tmp_path / "own", formats=list(names))))
    plan = planned(tmp_path / "other", OTHERS, formats=list(names))
    assert {key for key, _ in made} >= {(name, output) for name in names for output in ("tool",) if name != "messages_text"}
    for (format, output), sent in made:
        found = {one.format: one for one in compositions(plan) if one.output == output}
        outcome = Composer(plan, found[format], Said()).outcome(sent)
        assert outcome.source in ("import", "request"), (format, output, outcome)


def test_a_thread_that_cannot_be_read_back_may_be_that_of_a_case(tmp_path: Path) -> None:
    plan = planned(tmp_path / "own", formats=["odd"], outputs=["prompted"])
    sources = [next(iter(outcomes(plan, sent).values())).source for _, sent in requests(plan)]
    assert "case" in sources
    assert None not in sources
    other = planned(tmp_path / "other", OTHERS, formats=["odd"], outputs=["prompted"])
    found = [next(iter(outcomes(other, sent).values())) for _, sent in requests(plan)]
    unread = [one for one in found if one.source is None]
    assert unread
    assert all(one.unread and one.difference is None for one in unread)


TYPES = """
class Said {
  role "user" | "assistant"
  content string
}
"""
LOOP = """
Pick a step.
{{ ctx.output_format }}
{% for m in messages %}{{ _.role(m.role) }}
{{ m.content }}
{% endfor %}
"""
SHAPES = {
    "no role": function("Shape", "Pick one.\n{{ ctx.output_format }}\n{{ thread }}"),
    "one message": function("Shape", "{{ _.role('user') }}Pick one.\n{{ ctx.output_format }}\n{{ thread }}\nNow?"),
    "its thread twice": function("Shape", "{{ _.role('user') }}\n{{ thread }}\nAgain:\n{{ thread }}\n{{ ctx.output_format }}"),
    "the thread first": function("Shape", "{{ _.role('user') }}\n{{ thread }}\n{{ _.role('system') }}\n{{ ctx.output_format }}"),
    "messages": TYPES + function("Shape", LOOP, parameters="messages: Said[]"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_functions_of_every_shape(name: str, tmp_path: Path) -> None:
    plans = []
    text_only = name in ("no role", "its thread twice")  # messages take the place of one slot in a user message
    for folder, cases in ("own", CASES), ("other", OTHERS):
        formats = ["xml_yaml", "json", *([] if text_only else ["chat"])]
        file = project(tmp_path / folder, datasets={"mail": list(cases)}, formats=formats, outputs=list(OUTPUTS))
        write(tmp_path / folder, {**files(), "baml_src/mail.baml": MAIL + SHAPES[name]})
        file.path.write_text(file.path.read_text().replace("- Mail", "- Shape"))
        plans.append(resolve(load_suite(file.path)))
    own, plan = plans
    for key, sent in requests(own):
        (composition,) = (one for one in compositions(plan) if (one.format, one.output) == key)
        assert Composer(plan, composition, Said()).outcome(sent).source in ("import", "request"), (key, sent)


def test_a_function_that_writes_messages_into_a_text_of_its_own(tmp_path: Path) -> None:
    script = "{{ _.role('user') }}\n{% for m in messages %}\n{{ m.role }}: {{ m.content }}\n{% endfor %}\n{{ ctx.output_format }}"
    write(tmp_path, files())
    file = project(tmp_path, datasets={"mail": list(CASES)}, formats=["messages_text"], outputs=["prompted"])
    write(tmp_path, {"baml_src/mail.baml": MAIL + TYPES + function("Shape", script, parameters="messages: Said[]")})
    file.path.write_text(file.path.read_text().replace("- Mail", "- Shape"))
    plan = resolve(load_suite(file.path))
    (composition,) = compositions(plan)
    assert {Composer(plan, composition, Said()).outcome(sent).source for _, sent in requests(plan)} == {"case"}


# ---------------------------------------------------------------------------------------------- what differs is seen


@pytest.fixture(scope="module")
def fixed(original: list[Logged], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Composer, Sent, int, int, Piece]]:
    """Each piece before the thread of each request: the message that it is in, where it begins there, and what composes it."""
    others = planned(tmp_path_factory.mktemp("others"), OTHERS)
    first = {(trial.variant.format, trial.variant.output): others.prompt(trial) for trial in others.trials}
    composers = {(one.format, one.output): Composer(others, one, Said()) for one in compositions(others)}
    found = Hidden()
    for key, sent in original:
        for number, pieces in enumerate(first[key].pieces):  # of another thread: what stands before it is the same
            starts = accumulate((len(piece.text) for piece in pieces), initial=0)
            kinds = ("instructions", "schema")
            found += [
                (composers[key], sent, number, at, one) for at, one in zip(starts, pieces, strict=False) if one.kind in kinds
            ]
    return found


@examples(60, 600)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["x", " ", "\n", "\u00e9", "\U0001f600", ""]))
def test_a_changed_character_of_a_log_is_found_where_it_is(
    fixed: list[tuple[Composer, Sent, int, int, Piece]], which: int, where: int, by: str
) -> None:
    composer, sent, number, start, piece = fixed[which % len(fixed)]
    at = start + where % len(piece.text)
    content = sent.messages[number]["content"]
    assume(content[at] != by and content[at : at + 2] != content[at] * 2)
    messages = list(sent.messages)
    messages[number] = {**messages[number], "content": content[:at] + by + content[at + 1 :]}
    outcome = composer.outcome(Sent(tuple(messages), sent.tools, sent.response_format))
    assert outcome.source is None
    one = outcome.difference
    assert one is not None
    raw, other = messages[number]["content"].encode(), content.encode()
    assert (one.message, one.what, one.segment) == (number + 1, "content", piece.kind)
    assert one.byte == next((i for i in range(len(raw)) if raw[i : i + 1] != other[i : i + 1]), len(raw)) + 1
    assert one.only_space == (not by.strip() and not content[at].strip())


def test_requests_that_differ_alike_are_one_group() -> None:
    def differs(byte: int, segment: str, logged: str, composed: str) -> Outcome:
        return Outcome(difference=Difference(1, "system", "content", byte, segment, logged, composed))

    outcomes = [
        differs(3, "schema", "ab", "ac"),
        differs(3, "schema", "abc", "acc"),
        differs(4, "schema", "ab", "ac"),
        differs(3, "thread", "xa", "xb"),
        differs(9, "thread", "xxxa", "xxxb"),
        Outcome("case"),
        Outcome(unread=True),
    ]
    found = grouped((f"log:{i}", outcome) for i, outcome in enumerate(outcomes))
    assert [(group.times, group.places) for group in found] == [
        (2, ["log:0", "log:1"]),
        (2, ["log:3", "log:4"]),
        (1, ["log:2"]),
        (1, ["log:6"]),
    ]


def test_numbers_of_calls_do_not_depend_on_their_ids() -> None:
    def asked(*ids: str) -> list[dict[str, Any]]:
        calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ids]
        return [{"role": "assistant", "content": None, "tool_calls": calls}] + [
            {"role": "tool", "tool_call_id": one, "content": "1"} for one in ids
        ]

    assert parts(asked("a", "b"), None, None) == parts(asked("b", "a"), None, None)
    swapped = [asked("a", "b")[0], *reversed(asked("a", "b")[1:])]
    assert parts(asked("a", "b"), None, None) != parts(swapped, None, None)


def changed(text: str, at: int, by: str) -> str:
    return text[:at] + by + text[at + 1 :]


class Hidden(list[Any]):
    """A list that a property's report doesn't write out."""

    def __repr__(self) -> str:
        return f"{len(self)} of them"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> list[Logged]:
    return Hidden(requests(planned(tmp_path_factory.mktemp("original"))))


@examples(8, 250)
@given(st.data())
def test_one_changed_character_is_seen(
    original: list[Logged], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Change one character of a format, of the prompt or of a step, which is a tool: what is composed otherwise isn't equal."""
    sources = {name: text for name, text in files().items() if Path(name).stem in FORMATS} | {"baml_src/mail.baml": MAIL}
    name = data.draw(st.sampled_from(sorted(sources)))
    at = data.draw(st.integers(0, len(sources[name]) - 1))
    text = changed(sources[name], at, data.draw(st.sampled_from(["", "x", " ", "\n", "1", '"', sources[name][at] * 2])))
    formats = list(FORMATS) if name.startswith("baml") else [Path(name).stem]
    root = tmp_path_factory.mktemp("changed")
    try:
        for folder, cases in ("own", CASES), ("other", OTHERS):
            planned(root / folder, cases, formats=formats)
            write(root / folder, {name: text})
        own, plan = (resolve(load_suite(root / folder / "evals" / "mail.yaml")) for folder in ("own", "other"))
        now = list(requests(own))
    except UserError:
        assume(False)
    before = [one for one in original if one[0][0] in formats]
    assume([key for key, _ in now] == [key for key, _ in before])
    for (key, sent), (_, other) in zip(before, now, strict=True):
        composition = next(one for one in compositions(plan) if (one.format, one.output) == key)
        outcome = Composer(plan, composition, Said()).outcome(sent)
        assert (outcome.source is None) == (sent != other), (key, name, text, outcome)
