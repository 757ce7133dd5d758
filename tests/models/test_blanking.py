"""Keys in what comes back: found however they are written, and nothing else is changed."""

from __future__ import annotations

import base64
import json
import string
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from phrasing.models.blanking import BLANK, SHORTEST, Blanks, blanks
from phrasing.types import Completion, ToolCall, Usage

KEYS = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=SHORTEST, max_size=60)
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


WRITTEN = {
    "as it is": lambda key: key,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON in JSON": lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
    "JSON, each character": lambda key: "".join(f"\\u{ord(character):04x}" for character in key),
    "JSON, with slashes": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "an address": lambda key: quote(key),
    "an address, wholly": lambda key: quote(key, safe=""),
    "an address, each byte": percent,
}


@given(key=KEYS, before=AROUND, after=AROUND, how=st.sampled_from(sorted(WRITTEN)))
def test_a_key_is_found_however_it_is_written(key: str, before: str, after: str, how: str) -> None:
    written = WRITTEN[how](key)
    text = Blanks([key]).text(f"{before} {written} {after}")
    assert written not in text
    assert BLANK in text


@given(key=KEYS, before=st.binary(max_size=9), after=st.binary(max_size=9), url=st.booleans())
def test_a_key_is_found_in_base64_wherever_it_stands(key: str, before: bytes, after: bytes, url: bool) -> None:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(before + key.encode() + after).decode()
    blanked = Blanks([key]).text(text)
    assert BLANK in blanked
    left = blanked.split(BLANK)
    assert len("".join(left)) - len(text) <= 5 - len(key)  # a few characters that also hold what stands around it


@given(key=KEYS, cut=st.integers(SHORTEST, 60), start=st.booleans(), before=AROUND, after=AROUND)
def test_a_part_of_a_key_in_a_message_is_blanked(key: str, cut: int, start: bool, before: str, after: str) -> None:
    part = key[:cut] if start else key[-cut:]
    said = Blanks([key]).said(f"{before} {part}…{after}")
    assert part not in said
    assert key[:SHORTEST] not in said
    assert key[-SHORTEST:] not in said


@given(key=KEYS, text=st.text(max_size=80))
def test_what_holds_no_key_stays_the_same(key: str, text: str) -> None:
    answer = Completion(text=text, tool_calls=(ToolCall(name="a", arguments=text),), usage=Usage(prompt=3), latency=0.5)
    if key not in text and BLANK not in Blanks([key]).text(text.replace(BLANK, "")):
        assert Blanks([key]).value(answer) is answer
        assert not Blanks([key]).within([{"content": text}, None, 1])


@given(key=KEYS)
def test_every_text_of_an_answer_is_looked_at(key: str) -> None:
    call = ToolCall(name=key, arguments=json.dumps({"a": key}))
    answer = Completion(text=f"a {key}", tool_calls=(call,), finish_reason=key, emulated=f"added tool {key!r}", latency=0.5)
    blanked = Blanks([key]).value(answer)
    assert blanked.text == f"a {BLANK}"
    assert (blanked.finish_reason, blanked.tool_calls[0].name, blanked.latency) == (BLANK, BLANK, 0.5)
    assert json.loads(blanked.tool_calls[0].arguments) == {"a": BLANK}
    assert Blanks([key]).within([{"role": "user", "content": [{"type": "text", "text": f"a {key}"}]}])
    assert Blanks([key]).within({key: 1})


def test_a_short_key_may_be_a_word() -> None:
    assert blanks(("x" * (SHORTEST - 1), "")).text("x" * 20) == "x" * 20
    assert blanks(("longer-than-that", "longer-than-that-one")).text("longer-than-that-one") == BLANK
