"""Edits are loaded, called and checked; the shipped ones do what they say and leave threads whole."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import phrasing
from phrasing.errors import FormatError, SuiteError, UserError
from phrasing.plan.resolve import resolve
from phrasing.plan.selection import Selection
from phrasing.prompts import formats
from phrasing.prompts.edits import Edit, apply, load_edits
from phrasing.suite.dataset import infer_roles
from phrasing.suite.file import load_suite
from phrasing.types import Event, Thread
from support.paths import REPOSITORY
from support.small_projects import cache, case, event, project, write

__all__ = ["cache"]

STEPS = frozenset({"add", "deploy", "look_up", "ask"})
SUITE = load_suite(REPOSITORY / "evals" / "quickstart.yaml")


def shipped(name: str) -> Edit:
    return load_edits(SUITE, [name])[name]


def thread(*events: str | tuple[str, Any]) -> Thread:
    """A thread with its roles filled in; a bare name has no data."""
    listed = [{"type": one, "data": None} if isinstance(one, str) else {"type": one[0], "data": one[1]} for one in events]
    return infer_roles(Thread.model_validate({"events": listed}), STEPS)[0]


def edited(name: str, before: Thread) -> Thread:
    return apply(shipped(name), before, STEPS)


def shown(made: Thread) -> list[Any]:
    return [one.type if one.data is None else (one.type, one.data) for one in made.events]


def written(made: Thread) -> str:
    return json.dumps([{"type": e.type, "data": e.data} for e in made.events], ensure_ascii=False, separators=(",", ":"))


# ------------------------------------------------------------------------------------------------ what each does


EXAMPLES = {
    "mended": (
        "clear_resolved_errors",
        ["mail", ("deploy", 1), "error", ("deploy", 2), "deploy_result", "deploy", "error"],
        ["mail", ("deploy", 2), "deploy_result", "deploy", "error"],
    ),
    "all of a row mended": (
        "clear_resolved_errors",
        ["mail", "deploy", "error", "deploy", "error", "deploy", "deploy_result"],
        ["mail", "deploy", "deploy_result"],
    ),
    "another step worked": (
        "clear_resolved_errors",
        ["mail", "deploy", "error", "look_up", "look_up_result"],
        ["mail", "deploy", "error", "look_up", "look_up_result"],
    ),
    "worked before only": (
        "clear_resolved_errors",
        ["mail", "deploy", "deploy_result", "deploy", "error"],
        ["mail", "deploy", "deploy_result", "deploy", "error"],
    ),
    "no result yet": ("clear_resolved_errors", ["mail", "deploy", "error", "deploy"], ["mail", "deploy", "error", "deploy"]),
    "the last error": (
        "keep_errors",
        ["mail", ("deploy", 1), "error", "look_up", "error", ("deploy", 2), "error"],
        ["mail", ("deploy", 2), "error"],
    ),
    "the last two errors": (
        "keep_errors(2)",
        ["mail", ("deploy", 1), "error", "look_up", "look_up_result", ("add", 1), "error", "deploy", ("error", 3)],
        ["mail", "look_up", "look_up_result", ("add", 1), "error", "deploy", ("error", 3)],
    ),
    "an error that is an input": ("keep_errors", ["error", "deploy", "error"], ["error", "deploy", "error"]),
    "the last events": (
        "keep_events(2)",
        ["mail", "deploy", "deploy_result", "note", "look_up", "look_up_result"],
        ["mail", "look_up", "look_up_result"],
    ),
    "a result whose step fell out": (
        "keep_events(2)",
        ["mail", "deploy", "deploy_result", "note"],
        ["mail", "note"],
    ),
    "a step that is first": ("keep_events(1)", ["deploy", "deploy_result", "mail", "note"], ["deploy", "deploy_result", "note"]),
    "few enough": ("keep_events(3)", ["mail", "deploy", "error", "note"], ["mail", "deploy", "error", "note"]),
    "a kind of input": ("drop(note)", ["mail", "note", "deploy", "note"], ["mail", "deploy"]),
    "a kind of step": ("drop(deploy)", ["mail", "deploy", "error", "add", "add_result"], ["mail", "add", "add_result"]),
    "a kind of result": ("drop(error)", ["mail", "deploy", "error", "add"], ["mail", "deploy", "add"]),
    "long results": (
        "truncate_results(10)",
        [("mail", "x" * 11), "look_up", ("look_up_result", {"a": ["abcdefghijk", "abcdefghij"], "n": 12345678901})],
        [("mail", "x" * 11), "look_up", ("look_up_result", {"a": ["abc… [cut]", "abcdefghij"], "n": 12345678901})],
    ),
    "results but the last": (
        "mask_results(1)",
        [("mail", "hello"), "look_up", ("look_up_result", {"a": "é"}), "deploy", ("error", "no"), "add", ("add_result", 7)],
        [
            ("mail", "hello"), "look_up", ("look_up_result", "[left out: 10 characters]"),
            "deploy", ("error", "[left out: 4 characters]"), "add", ("add_result", 7),
        ],
    ),
    "no more results than are kept": ("mask_results(1)", ["mail", "add", "add_result"], ["mail", "add", "add_result"]),
    "private": (
        "redact",
        [
            ("mail", "Ann.B@shop.example or bo@shop.example, +49 30 1234567 or (555) 010-2233"),
            ("note", {"to": ["ann.b@shop.example"], "card": "4111 1111 1111 1111", "key": "sk-test_4f9a8b7c6d5e"}),
            ("note", "4111111111111111, +49301234567"),
        ],
        [
            ("mail", "[email 1] or [email 2], [phone 1] or [phone 2]"),
            ("note", {"to": ["[email 1]"], "card": "[card 1]", "key": "[key 1]"}),
            ("note", "[card 1], [phone 1]"),
        ],
    ),
    "not private": (
        "redact",
        [("note", "v1.2.3 of 2031-03-15T10:00:00Z, 10.0.0.12, order 4111111111111112, @ann, 3.14159265358979, 555-0102")],
        [("note", "v1.2.3 of 2031-03-15T10:00:00Z, 10.0.0.12, order 4111111111111112, @ann, 3.14159265358979, 555-0102")],
    ),
    "every second thing": (
        "halve",
        ["mail", "look_up", "look_up_result", "deploy", "error", "note", "add", "ask"],
        ["mail", "deploy", "error", "add"],
    ),
    "results that come late": (
        "halve",
        ["deploy", "look_up", "note", "look_up_result", "deploy_result", "mail"],
        ["deploy", "note", "deploy_result"],
    ),
    "no noise": ("noise(0)", ["mail", "deploy"], ["mail", "deploy"]),
    "by Slack": (
        "channel(slack_message)",
        [("user_input", "add 3 and 4"), ("add", {"a": 3}), ("add_result", 7), ("note", {"text": "Lift 2 works."})],
        [
            ("slack_message", {"from": "@robin", "channel": "#general", "text": "add 3 and 4"}),
            ("add", {"a": 3}), ("add_result", 7), ("note", {"text": "Lift 2 works."}),
        ],
    ),
    "by e-mail": (
        "channel(email_received)",
        [
            ("user_message", "Tokyo?"), ("slack_message", {"from": "@Ann Lee", "channel": "#ops", "text": "now"}), "ask",
            ("human_response", "today"),
        ],
        [
            ("email_received", {"from": "robin@mail.example", "subject": "(no subject)", "body": "Tokyo?"}),
            ("email_received", {"from": "Ann.Lee@mail.example", "subject": "(no subject)", "body": "now"}), "ask",
            ("human_response", "today"),
        ],
    ),
    "by SMS": (
        "channel(sms_received)",
        [
            ("email_received", {"at": "22:04", "from": "bo@shop.example", "to": "a@b.example", "subject": "v2", "body": "Go."}),
            ("chat_message", {"from": "ann", "text": "Wait."}), ("chat_message", {"from": "bo@shop.example", "text": "Why?"}),
        ],
        [
            ("sms_received", {"at": "22:04", "from": "+1 202 555 0100", "text": "v2\n\nGo."}),
            ("sms_received", {"from": "+1 202 555 0101", "text": "Wait."}),
            ("sms_received", {"from": "+1 202 555 0100", "text": "Why?"}),
        ],
    ),
    "in no shape that is known": (
        "channel(sms_received)",
        ["user_input", ("chat_message", {"text": "a", "body": "b"}), ("email_received", {"body": ["a"]})],
        ["user_input", ("chat_message", {"text": "a", "body": "b"}), ("email_received", {"body": ["a"]})],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after"), EXAMPLES.values(), ids=EXAMPLES)
def test_example(name: str, before: list[Any], after: list[Any]) -> None:
    assert shown(edited(name, thread(*before))) == after


# ------------------------------------------------------------------------------------------------ any thread

bodies = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["ann@shop.example", "+49 30 1234567", "x" * 40, "4111 1111 1111 1111"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
kinds = st.sampled_from(
    ["mail", "note", "notification", "user_input", "error", "human_response", "add_result", "deploy_response", *sorted(STEPS)]
)
threads = st.lists(st.tuples(kinds, bodies), min_size=1, max_size=12).map(lambda events: thread(*events))

# drop is left out where it would leave nothing: a thread may be all of one kind
CALLS = ["clear_resolved_errors", "keep_errors", "keep_errors(2)", "keep_events", "keep_events(1)", "keep_events(3)"]
CALLS += ["truncate_results", "truncate_results(12)", "redact", "noise", "noise(0.9)", "drop(never_there)"]
CHANNELS = ["slack_message", "email_received", "sms_received"]
CALLS += [f"channel({channel})" for channel in CHANNELS]
LOADED = {name: shipped(name) for name in [*CALLS, "drop(error)", "drop(add)"]}
TRACES = [formats.load(REPOSITORY / "formats", name) for name in ("messages", "xml_yaml")]


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
@given(before=threads)
def test_every_edit_takes_every_thread_and_leaves_it_whole(name: str, before: Thread) -> None:
    kept = before.model_dump_json()
    made = apply(LOADED[name], before, STEPS)  # its roles make sense, it is the same twice, or this raises
    assert before.model_dump_json() == kept
    for one in made.events:
        assert one.role is not None
        assert (one.call is None) == (one.role == "input")
    for format in TRACES:
        formats.render(format, made)
    if LOADED[name].adds is None:
        types = iter([(one.type, one.call) for one in before.events])
        assert all((one.type, one.call) in types for one in made.events)  # a part of what was, in its order
        assert apply(LOADED[name], made, STEPS) == made


@pytest.mark.parametrize("name", ["drop(error)", "drop(add)"])
@given(before=threads)
def test_drop_takes_all_of_a_kind_or_says_that_nothing_is_left(name: str, before: Thread) -> None:
    kind = name[5:-1]
    calls = {one.call for one in before.events if one.type == kind and one.role == "step"}
    rest = [one for one in before.events if one.type != kind and (one.role == "input" or one.call not in calls)]
    if rest:
        assert list(apply(LOADED[name], before, STEPS).events) == rest
    else:
        with pytest.raises(FormatError, match=re.escape(f"{name}: leaves no event")):
            apply(LOADED[name], before, STEPS)


@given(before=threads, n=st.integers(1, 5))
def test_keep_events_keeps_the_first_and_at_most_so_many_more(before: Thread, n: int) -> None:
    made = edited(f"keep_events({n})", before)
    assert made.events[0] == before.events[0]
    assert len(made.events) <= n + 1 + (before.events[0].role == "step")
    assert made.events[-1] == before.events[-1] or before.events[-1].role == "result"


@given(before=threads, n=st.integers(1, 3))
def test_keep_errors_bounds_the_errors(before: Thread, n: int) -> None:
    def errors(one: Thread) -> list[str | None]:
        return [event.call for event in one.events if event.role == "result" and event.type == "error"]

    made = edited(f"keep_errors({n})", before)
    assert errors(made) == errors(before)[-n:]
    assert len(made.events) == len(before.events) - 2 * (len(errors(before)) - len(errors(made)))


PRIVATE = [
    "ann@shop.example",
    "+49 30 1234567",
    "555-010-2233",
    "4111 1111 1111 1111",
    "ghp_a1b2c3d4e5f6g7h8",
    "AKIA0123456789ABCDEF",
]


@given(words=st.lists(st.sampled_from([*PRIVATE, "call", "v1.2.3", "2031-03-15", "("]), min_size=1, max_size=8))
def test_nothing_private_is_left_and_equal_values_stay_equal(words: list[str]) -> None:
    made = shown(edited("redact", thread(("mail", ", ".join(words)), ("note", {"a": [", ".join(reversed(words))]}))))
    one, other = made[0][1], made[1][1]["a"][0]
    for word in set(words) & set(PRIVATE):
        assert word not in one + other
    assert one.count("[") == sum(word in PRIVATE for word in words)
    assert sorted(re.findall(r"\[.*?\]", one)) == sorted(re.findall(r"\[.*?\]", other))
    assert len(set(re.findall(r"\[.*?\]", one))) == len(set(words) & set(PRIVATE))


# ------------------------------------------------------------------------------------------------ noise


def chatter(made: Thread) -> list[str]:
    return [json.dumps(one.data) for one in made.events if one.type == "notification"]


TALK = thread(
    ("mail", {"text": "look it up and deploy"}), "look_up", ("look_up_result", [1, 2]), "note", "deploy", "add", "deploy_result",
    "add_result", ("ask", "which?"), ("human_response", "the first"), "look_up",
)  # fmt: skip


@pytest.mark.parametrize("share", ["0.1", "0.5", "0.8", "0.95"])
def test_noise_is_that_share_of_the_characters(share: str) -> None:
    own = len(written(TALK))
    made = edited(f"noise({share})", TALK)
    one_less = max(len(text) for text in chatter(made)) + len('{"type":"notification","data":},') + 1
    noise = len(written(made)) - own
    assert float(share) <= noise / (own + noise)
    assert (noise - one_less) / (own + noise - one_less) < float(share)


@given(before=threads)
def test_noise_never_parts_a_result_from_its_step_nor_ends_a_thread(before: Thread) -> None:
    made = edited("noise(0.9)", before)
    own = iter(before.events)
    added = [one for one in made.events if not (one.type == "notification" and one.role == "input" and "source" in str(one.data))]
    assert all(one in own for one in added)
    assert made.events[-1] == before.events[-1]
    ends = {one.call: i for i, one in enumerate(made.events) if one.role == "result"}
    for i, one in enumerate(made.events):
        if one.role == "step" and one.call in ends:
            between = made.events[i + 1 : ends[one.call]]
            assert all(event in before.events for event in between)


def test_more_noise_adds_to_less() -> None:
    less, more = (edited(f"noise({share})", TALK) for share in ("0.5", "0.95"))
    left = iter(more.events)
    assert all(one in left for one in less.events)
    assert len(chatter(more)) > 4 * len(chatter(less))


def test_noise_is_drawn_from_the_thread() -> None:
    other = thread(*(("mail", {"text": "another"}), *shown(TALK)[1:]))
    state = random.getstate()
    assert chatter(edited("noise", TALK)) == chatter(edited("noise", TALK))
    assert chatter(edited("noise", TALK)) != chatter(edited("noise", other))
    assert random.getstate() == state


def test_noise_asks_for_nothing_and_repeats_little() -> None:
    texts = [json.loads(text)["text"] for text in chatter(edited("noise(0.95)", TALK))]
    long = [json.loads(text)["text"] for text in chatter(edited("noise(0.99)", TALK))]
    assert len(set(texts)) > 0.95 * len(texts)
    stems = {re.sub(r"[A-Z]\w+|\d+", "", text) for text in long}
    assert len(stems) >= 60
    asking = r"\?|\b(please|should|must|need|can you|could you|deploy|approv|refund|pay|release|tags?\b|add\b|issues\b|weather)"
    assert not [text for text in long if re.search(asking, text, re.IGNORECASE)]


# ------------------------------------------------------------------------------------------------ channels

MESSAGES = ["user_input", "user_message", "chat_message", *CHANNELS]
parts_of_messages = st.dictionaries(
    st.sampled_from(["from", "to", "channel", "subject", "text", "body", "at", "user"]), st.text(max_size=20), max_size=6
)
messages = st.tuples(st.sampled_from(MESSAGES), st.text(max_size=40) | parts_of_messages)
talks = st.lists(messages | st.tuples(kinds, bodies), min_size=1, max_size=8).map(lambda events: thread(*events))
channels = st.sampled_from(CHANNELS)


def words_of(one: Event) -> str:
    assert isinstance(one.data, dict)
    return str(one.data.get("text", one.data.get("body")))


@given(before=talks, channel=channels)
def test_channel_moves_what_was_written_whole_and_nothing_else(before: Thread, channel: str) -> None:
    made = apply(LOADED[f"channel({channel})"], before, STEPS)
    for one, other in zip(before.events, made.events, strict=True):
        data = one.data if isinstance(one.data, dict) else {"text": one.data}
        known = sum(isinstance(data.get(key), str) for key in ("text", "body")) == 1
        if one.role != "input" or one.type not in MESSAGES or one.type == channel or not known:
            assert other == one
            continue
        assert (other.type, other.role, other.call) == (channel, "input", None)
        assert isinstance(other.data, dict)
        assert other.data["from"]
        left = "\n".join(str(other.data.get(key, "")) for key in ("subject", "text", "body"))
        assert all(str(data[key]) in left for key in ("subject", "text", "body") if key in data)
        assert all(other.data[key] == data[key] for key in ("at", "user") if key in data)


@given(said=st.lists(st.text(max_size=40), min_size=1, max_size=4), first=channels, then=channels)
def test_channel_after_channel_says_the_same_words(said: list[str], first: str, then: str) -> None:
    before = thread(*(("user_message", text) for text in said))
    made = edited(f"channel({then})", edited(f"channel({first})", before))
    assert [words_of(one) for one in made.events] == said
    assert {one.type for one in made.events} == {then if first != then else first}


@given(senders=st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=6))
def test_channel_tells_senders_apart(senders: list[str]) -> None:
    made = edited("channel(sms_received)", thread(*(("chat_message", {"from": sender, "text": "hi"}) for sender in senders)))
    numbers = [one.data["from"] for one in made.events if isinstance(one.data, dict)]
    assert {*zip(senders, numbers, strict=True)} == {*dict(zip(senders, numbers, strict=True)).items()}
    assert len({*numbers}) == len({*senders})


def test_the_suite_of_channels_moves_every_case_of_agents_whose_rules_speak_of_none() -> None:
    plan = resolve(load_suite(REPOSITORY / "evals" / "channel.yaml"))
    for name, agent in plan.agents.items():
        for channel in CHANNELS:
            for each, before in agent.threads.items():
                made = agent.edited[f"channel({channel})"][each]
                spoken = [one.type for one in made.events if one.role == "input" and one.type in MESSAGES]
                assert spoken, (name, each)
                assert {*spoken} == {channel}
                assert len(made.events) == len(before.events)
    policies = (REPOSITORY / "baml_src" / f"{name}.baml" for name in ("calculator", "weather"))
    assert not [path for path in policies if re.search(r"slack|e-?mail|sms|phone|channel|chat", path.read_text("utf-8"), re.I)]


# ------------------------------------------------------------------------------------------------ loading

GOOD = 'LOSSY = "the half"\ndef edit(thread, n=2):\n    return {"events": thread["events"][::n]}\n'

MISTAKES = {
    "unknown": (
        {},
        ["none", "halv"],
        "evals/mail.yaml:8: edits: edit 'halv' not found (did you mean 'half'?); there are: half, none",
    ),
    "no name": ({}, ["half(1,2)"], "evals/mail.yaml:7: edits: 'half(1,2)' is no edit; wanted a name, or a name and one value, "),
    "no value": ({}, ["half(1.2.3)"], "evals/mail.yaml:7: edits: '1.2.3' is no value; wanted a number or a word"),
    "twice": ({}, ["half", "half"], "evals/mail.yaml:6: edits: 'half' is named twice"),
    "takes none": (
        {"half": 'LOSSY = "a"\ndef edit(thread):\n    return thread\n'},
        ["half(3)"],
        "evals/mail.yaml:7: edits: 'half' takes no value",
    ),
    "needs one": (
        {"half": 'LOSSY = "a"\ndef edit(thread, kind):\n    return thread\n'},
        ["half"],
        "evals/mail.yaml:7: edits: 'half' needs a value: half(…)",
    ),
    "no mark": (
        {"half": GOOD.partition("\n")[2]},
        ["half"],
        'formats/edits/half.py: needs a mark: LOSSY = "what it drops", or ADDS = "what it adds"',
    ),
    "empty mark": (
        {"half": GOOD.replace("the half", " ")},
        ["half"],
        "formats/edits/half.py: the mark 'lossy' needs a reason in words, got ' '",
    ),
    "no function": ({"half": 'LOSSY = "a"\n'}, ["half"], "formats/edits/half.py: defines no function edit(thread)"),
    "syntax": ({"half": "def edit(\n"}, ["half"], "formats/edits/half.py:1: SyntaxError"),
    "its name": ({"none": GOOD}, ["half"], "formats/edits/none.py: the name 'none' is that of variants without an edit"),
    "a bad name": ({"a b": GOOD}, ["half"], "formats/edits/a b.py: the name 'a b' must be letters, digits, '_' and '-'"),
}


@pytest.mark.parametrize(("files", "named", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_said_with_file_line_and_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], named: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(), {f"formats/edits/{name}.py": source for name, source in {"half": GOOD, **files}.items()})
    keys = yaml.safe_dump({"edits": named})
    path = project(Path()).path
    path.write_text("\n" * 5 + keys + path.read_text())
    with pytest.raises(UserError) as error:
        phrasing.resolve(phrasing.load_suite(path))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('raise ValueError("no")', "formats/edits/bad.py:3: bad: raised ValueError: no"),
        ("return None", "formats/edits/bad.py: bad: returned no thread: NoneType None"),
        ('return {"events": []}', "formats/edits/bad.py: bad: leaves no event"),
        (
            'return {"events": [{"type": "a", "dta": 1}]}',
            "formats/edits/bad.py: bad: returned no thread: events[0].dta: no such key",
        ),
        (
            'return {"events": [e for e in thread["events"] if e["role"] != "step"]}',
            "formats/edits/bad.py: bad: thread.events[1] search_result: call 'call_1' not found; there are: none",
        ),
        (
            'import itertools; edit.n = getattr(edit, "n", 0) + 1; return {"events": [{"type": f"a{edit.n}"}]}',
            "formats/edits/bad.py: bad: edits the same thread differently each time",
        ),
    ],
    ids=["raises", "nothing", "no event", "no thread", "half a pair", "different"],
)
def test_what_an_edit_returns_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(), {"formats/edits/bad.py": f'ADDS = "trouble"\ndef edit(thread):\n    {body}\n'})
    talk = case("c1", event("mail"), event("search", {"query": "x"}), event("search_result", []))
    file = project(Path(), datasets={"mail": [talk]}, edits=["bad"])
    with pytest.raises(FormatError) as error:
        resolve(file)
    assert str(error.value).startswith(message)
    assert str(error.value).endswith("(case 'c1', datasets/mail.jsonl:1)")


def test_an_edit_that_changes_what_it_gets_harms_nobody(tmp_path: Path) -> None:
    spoil = 'thread["events"][0]["data"]["text"] = "spoilt"\n    return thread\n'
    write(tmp_path, {"formats/edits/spoil.py": f'LOSSY = "the text"\ndef edit(thread):\n    {spoil}'})
    made = resolve(project(tmp_path, edits=["none", "spoil"]))
    agent = made.agents["mail"]
    assert agent.threads["c0"].events[0].data == {"text": "about c0"}
    assert agent.edited["none"] == agent.threads
    assert agent.edited["spoil"]["c0"].events[0].data == {"text": "spoilt"}


@pytest.mark.parametrize(("name", "value"), [("kind(3)", 3), ("kind(-2)", -2), ("kind(0.5)", 0.5), ("kind(x.y-z_1)", "x.y-z_1")])
def test_value_is_a_number_or_a_word(tmp_path: Path, name: str, value: object) -> None:
    source = 'LOSSY = "a"\ndef edit(thread, value):\n    return {"events": [{"type": type(value).__name__, "data": value}]}\n'
    write(tmp_path, {"formats/edits/kind.py": source})
    made = apply(load_edits(project(tmp_path), [name])[name], thread("mail"), STEPS)
    assert shown(made) == [(type(value).__name__, value)]


def test_value_that_an_edit_refuses_is_the_users_mistake() -> None:
    for name in ("keep_events(0)", "keep_errors(word)", "truncate_results(3)", "noise(1)", "noise(-0.5)", "channel(fax)"):
        with pytest.raises(FormatError, match=re.escape(f"{name}: raised ")):
            edited(name, TALK)


def test_edit_of_the_command_line_is_looked_for_too(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="--edit: edits: edit 'keep' not found; there are: none"):
        resolve(project(tmp_path), Selection(edits=["keep"]))


def test_the_documents_own_edit_works(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "edits.md").read_text("utf-8"), re.DOTALL)
    write(tmp_path, {"formats/edits/mine.py": source})
    mine = load_edits(project(tmp_path), ["mine"])["mine"]
    assert shown(apply(mine, thread("mail", "note", "add"), STEPS)) == ["mail", "add"]
