from __future__ import annotations

import gzip
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasing import logs
from phrasing.errors import LogError
from phrasing.logs import Entry

ONE, TWO = {"messages": [{"role": "user", "content": "é\u2028\n"}]}, {"id": 2, "n": [1.5, None, True]}


def read(path: Path, content: str | bytes, **limits: int) -> list[Any]:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return [(one.line, one.value if isinstance(one, Entry) else one.reason) for one in logs.records(path, **limits)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


LINES = "".join(json.dumps(one) + "\n" for one in (ONE, TWO))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (LINES, [1, 2]),
        (LINES.replace("\n", "\r\n"), [1, 2]),
        ("\ufeff\n\n" + LINES.replace("\n", "\n\n"), [3, 5]),
        (json.dumps([ONE, TWO]), [1, 1]),
        ("[\n" + json.dumps(ONE) + ",\n" + json.dumps(TWO) + "\n]\n", [2, 3]),
        (json.dumps([ONE, TWO], indent=2), [2, 10]),
        (json.dumps(ONE, indent=2) + json.dumps(TWO, indent=2), [1, 8]),
        (json.dumps(ONE) + json.dumps(TWO), [1, 1]),
    ],
    ids=["lines", "crlf", "bom and blanks", "array", "array of lines", "pretty array", "pretty values", "side by side"],
)
def test_every_way_of_writing_values_is_read(log: Path, content: str, lines: list[int]) -> None:
    assert read(log, content) == list(zip(lines, (ONE, TWO), strict=True))


def test_a_list_of_messages_is_one_value(log: Path) -> None:
    messages = ONE["messages"]
    assert read(log, json.dumps(messages)) == [(1, messages)]
    assert read(log, json.dumps([messages, messages])) == [(1, messages)] * 2
    assert read(log, f"{json.dumps(messages)}\n{json.dumps(messages)}\n") == [(1, messages), (2, messages)]
    assert read(log, "[]") == [(1, [])]


def test_gzip_and_zip_are_known_by_their_bytes(tmp_path: Path, log: Path) -> None:
    assert [value for _, value in read(log, gzip.compress(LINES.encode()))] == [ONE, TWO]
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as archive:
        archive.writestr("samples/1.json", json.dumps(ONE, indent=1))
        archive.writestr("samples/2.json", json.dumps(TWO))
        archive.writestr("notes.txt", "no JSON")
    assert list(logs.records(tmp_path / "x.eval")) == [Entry(1, ONE, "samples/1.json"), Entry(1, TWO, "samples/2.json")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": 1', "not JSON: Expecting ',' delimiter"),
        ("nonsense", "not JSON: Expecting value"),
        ('{"a": "x', "not JSON: Invalid control character at"),
        ('{"a": NaN}', "NaN isn't JSON; wanted a number or null"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": 1, "a": 2}', "key 'a' is given twice in one object"),
        ('{"a": "\\ud800"}', "a: '\\ud800' is half of a surrogate pair, which UTF-8 can't hold"),
        ('{"a": ' * 101 + "1" + "}" * 101, "nested more than 100 deep"),
        ('{"a": ' * 5000, "nested more than 100 deep"),
        ('{"a": "BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER"}', "which BAML reads as the start of another message"),
    ],
)
def test_a_line_that_cant_be_read_is_given_and_the_next_is_read(log: Path, line: str, reason: str) -> None:
    (_, first), (number, wrong), (last, value) = read(log, f"{json.dumps(ONE)}\n{line}\n{json.dumps(TWO)}\n")
    assert (first, value, number, last) == (ONE, TWO, 2, 3)
    assert reason in wrong


def test_bytes_that_arent_utf8_are_told_from_the_rest(log: Path) -> None:
    found = read(log, LINES.encode() + b'{"a": "\xff"}\n' + LINES.encode())
    assert [value for _, value in found] == [ONE, TWO, "holds bytes that aren't UTF-8", ONE, TWO]


def test_an_element_that_breaks_a_rule_is_told_from_the_rest(log: Path) -> None:
    assert read(log, f'[{json.dumps(ONE)}, {{"a": NaN}}, {json.dumps(TWO)}]') == [
        (1, ONE),
        (1, "NaN isn't JSON; wanted a number or null"),
        (1, TWO),
    ]


def test_a_value_that_stops_in_the_middle_is_said(log: Path) -> None:
    assert read(log, json.dumps(ONE) + '\n{\n  "a": [1,\n') == [(1, ONE), (2, "not JSON: Expecting value")]


def test_after_a_broken_value_of_many_lines_the_next_is_read(log: Path) -> None:
    broken = '{\n  "a": 1,\n  "b" 2,\n  "c": {\n  }\n}\n'
    assert read(log, broken + json.dumps(ONE, indent=2)) == [(1, "not JSON: Expecting ':' delimiter"), (7, ONE)]


def test_a_compressed_file_that_breaks_off_gives_what_it_held(log: Path) -> None:
    many = "".join(json.dumps({"n": n, "t": str(n**7)}) + "\n" for n in range(9_000))
    *found, (_, reason) = read(log, gzip.compress(many.encode())[:-9])
    assert [value["n"] for _, value in found[:8_000]] == list(range(8_000))
    assert reason.startswith("the compressed file breaks off")


def test_values_across_chunks_are_whole(log: Path) -> None:
    values = [{"n": n, "t": "é😀\n" * n, "in": [{"x": [n] * n}]} for n in range(30)]
    assert [value for _, value in read(log, "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), chunk=7)] == values
    assert [value for _, value in read(log, json.dumps(values, indent=1), chunk=7)] == values
    assert [value for _, value in read(log, "12345678901 23", chunk=7)] == [12345678901, 23]


def test_a_file_of_nothing_but_mistakes_is_read_to_its_end(log: Path) -> None:
    assert len(read(log, "x\n" * 100_000)) == 100_000


def test_a_value_that_is_too_long_is_left(log: Path) -> None:
    found = read(log, json.dumps({"a": "x" * 5_000}) + "\n" + json.dumps(TWO), chunk=10, longest=1_000)
    assert found == [(1, "longer than 1,000 characters"), (2, TWO)]


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_an_empty_file_is_a_mistake(log: Path, content: str) -> None:
    with pytest.raises(LogError, match="log: is empty; wanted JSON or JSON Lines"):
        read(log, content)


def test_a_file_that_isnt_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="nothing: can't be read: No such file"):
        list(logs.records(tmp_path / "nothing"))


# ---------------------------------------------------------------------------------------------- whatever comes

TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(TEXT.filter(lambda key: key not in ("role", "type")), VALUES, max_size=3), min_size=1, max_size=4
)


@given(RECORDS, st.booleans(), st.sampled_from([None, 1]))
def test_values_come_back_however_they_were_written(
    tmp_path_factory: Any, values: list[Any], ascii: bool, indent: int | None
) -> None:
    log = tmp_path_factory.getbasetemp() / "values"
    written = [json.dumps(value, ensure_ascii=ascii, indent=indent) for value in values]
    for content in (
        "\n".join(written),
        " ".join(written),
        f"[{','.join(written)}]",
        f"[\n{chr(10).join(w + ',' for w in written)}]",
    ):
        assert [value for _, value in read(log, content)] == values


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(st.sampled_from('[]{}",: \n1tn\\u'), max_size=60))
def test_no_bytes_stop_it(tmp_path_factory: Any, content: bytes | str) -> None:
    log = tmp_path_factory.getbasetemp() / "bytes"
    log.write_bytes(content if isinstance(content, bytes) else content.encode())
    with suppress(LogError):  # where it is empty
        assert list(logs.records(log))
