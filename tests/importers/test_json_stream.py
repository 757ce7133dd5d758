from __future__ import annotations

import gzip
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import LogError
from phrasing.importers.damaged_json import BEHIND, BREAKS_OFF, NOT_UTF8
from phrasing.importers.json_stream import CHUNK, Broken, LogEntry
from phrasing.importers.log_files import read_records
from phrasing.suite import dataset
from support.measured import entries_and_memory
from support.tiers import examples

ONE, TWO = {"messages": [{"role": "user", "content": "é\u2028\n"}]}, {"id": 2, "n": [1.5, None, True]}


def read(path: Path, content: str | bytes, **limits: int) -> list[Any]:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return [(one.line, one.value if isinstance(one, LogEntry) else one.reason) for one in read_records(path, **limits)]


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


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": 1', "not JSON: Expecting ',' delimiter"),
        ("nonsense", "not JSON: Expecting value"),
        ('{"a": "x', BREAKS_OFF),
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
    assert [value for _, value in found] == [ONE, TWO, NOT_UTF8, ONE, TWO]


def test_an_element_that_breaks_a_rule_is_told_from_the_rest(log: Path) -> None:
    assert read(log, f'[{json.dumps(ONE)}, {{"a": NaN}}, {json.dumps(TWO)}]') == [
        (1, ONE),
        (1, "NaN isn't JSON; wanted a number or null"),
        (1, TWO),
    ]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('{"a" 1}', "not JSON: Expecting ':' delimiter"),
        ("{'a': 1}", "not JSON: Expecting property name enclosed in double quotes"),
        ('{"a": [1}}', "not JSON: Expecting ',' delimiter"),
        ('{"a": "x\ny"}', BREAKS_OFF),
        ("None", "not JSON: Expecting value"),
        ("}", "not JSON: Expecting value"),
        ('{"a": "\\ud800"}', "a: '\\ud800' is half of a surrogate pair, which UTF-8 can't hold"),
        ('{"a": ' * 2_000 + "1" + "}" * 2_000, "nested more than 100 deep"),
        ("1" * 5_000, "a number has more than 4,300 digits"),
        ('{"a": "' + 'x]\\"' * 6_000 + '"}', "longer than 20,000 characters"),
        ('{"a": ["' + '", "\\\\", "'.join("x" * 4_000) + '"]}', "longer than 20,000 characters"),
    ],
)
def test_the_elements_behind_one_that_cant_be_read_are_given(log: Path, element: str, reason: str) -> None:
    for sep in (", ", ",\n"):
        content = f"[{json.dumps(ONE)}{sep}{element}{sep}{json.dumps(TWO)}]"
        at = 1 + (sep == ",\n")
        wanted = [(1, ONE), (at, reason), (content.count("\n") + 1, TWO)]
        for chunk in (50, CHUNK):
            assert read(log, content, chunk=chunk, longest=20_000) == wanted


def test_a_list_that_breaks_off_is_said(log: Path) -> None:
    ended = (2, "the file ends inside a list")
    assert read(log, f"[{json.dumps(ONE)},\n{json.dumps(TWO)}") == [(1, ONE), (2, TWO), ended]
    assert read(log, f"[{json.dumps(ONE)},\n{json.dumps(TWO)},") == [(1, ONE), (2, TWO), ended]
    unclosed = "not JSON: Expecting value; it has no end, so the rest of the file isn't read: 9 characters"
    assert read(log, f'[{json.dumps(ONE)},\n{{"a": [1,') == [(1, ONE), (2, unclosed)]


def test_lines_that_break_off_take_no_others_with_them(log: Path) -> None:
    cut = ['{"a": [', '{"a": {"b":', '{"a": [{"b": 1},', '{"a": NaN, "b": [', '{"a', "[1, ", '[[{"a": "x']
    content = "\n".join(f"{line}\n{json.dumps(ONE)}\n{json.dumps(TWO)}" for line in cut)
    found = dict(read(log, content))
    assert [found[3 * n + 2] for n in range(len(cut))] == [ONE] * len(cut)
    assert [found[3 * n + 3] for n in range(len(cut))] == [TWO] * len(cut)
    assert all("not JSON" in found[3 * n + 1] for n in range(len(cut)))


def test_what_stands_beside_a_value_makes_the_line_wrong(log: Path) -> None:
    for line in ("2026-11-23 started", '{"a": 1}}', '"a": 1', "1x"):
        assert read(log, f"{line}\n{json.dumps(ONE)},") == [(1, BEHIND), (2, ONE)]


def test_a_value_that_stops_in_the_middle_is_said(log: Path) -> None:
    assert read(log, json.dumps(ONE) + '\n{\n  "a": [1,\n') == [(1, ONE), (2, "not JSON: Expecting value")]


def test_after_a_broken_value_of_many_lines_the_next_is_read(log: Path) -> None:
    broken = '{\n  "a": 1,\n  "b" 2,\n  "c": {\n  }\n}\n'
    assert read(log, broken + json.dumps(ONE, indent=2)) == [(1, "not JSON: Expecting ':' delimiter"), (7, ONE)]


def test_a_compressed_file_that_breaks_off_gives_what_it_held(log: Path) -> None:
    many = "".join(json.dumps({"n": n, "t": str(n**7)}) + "\n" for n in range(9_000))
    *found, (_, reason) = read(log, gzip.compress(many.encode())[:-9])
    assert [value["n"] for _, value in found[:8_000]] == list(range(8_000))
    assert reason.startswith("the file breaks off: Compressed file ended")


def test_values_across_chunks_are_whole(log: Path) -> None:
    values = [{"n": n, "t": "é😀\n" * n, "in": [{"x": [n] * n}]} for n in range(30)]
    assert [value for _, value in read(log, "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), chunk=7)] == values
    assert [value for _, value in read(log, json.dumps(values, indent=1), chunk=7)] == values
    assert [value for _, value in read(log, "12345678901 23", chunk=7)] == [12345678901, 23]


def test_a_file_of_nothing_but_mistakes_is_read_to_its_end(log: Path) -> None:
    assert len(read(log, "x\n" * 10_000)) == 10_000
    assert len(read(log, "[" + "x," * 10_000)) == 10_001


def test_a_value_that_is_too_long_is_left(log: Path) -> None:
    found = read(log, json.dumps({"a": "x" * 5_000}) + "\n" + json.dumps(TWO), chunk=10, longest=1_000)
    assert found == [(1, "longer than 1,000 characters"), (2, TWO)]


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


WRONG = [
    "NaN",
    "1e999",
    "\\ud800",
    '"a":1,"a":2',
    "[" * 120,
    '{"a":' * 1_100,
    "9" * 4_400,
    "\\",
    '"',
    "{",
    "}",
    "]",
    ",",
    "\n",
    "tru",
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file of values, with something cut out or put in."""
    values = [json.dumps(value, indent=draw(st.sampled_from([None, 1]))) for value in draw(RECORDS)]
    text = draw(st.sampled_from(["\n", "\r\n", "", "[,"])).join(values)
    text = f"[{text.replace('[,', ',')}]" if draw(st.booleans()) else text
    content = text.encode()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        put = draw(st.sampled_from(WRONG).map(str.encode) | st.binary(max_size=3))
        content = content[:at] + put + content[at + draw(st.sampled_from([0, 0, 1, 9, 99])) :]
    return content


@examples(30, 10_000)  # one takes a millisecond
@given(
    damaged() | st.binary(max_size=60) | st.text(st.sampled_from('[]{}",: \n1tn\\u'), max_size=60).map(str.encode),
    st.integers(1, 40),
    st.integers(1, 80),
)
def test_no_bytes_stop_it(tmp_path_factory: Any, content: bytes, chunk: int, longest: int) -> None:
    log = tmp_path_factory.getbasetemp() / "bytes"
    log.write_bytes(content)
    with suppress(LogError):  # where it is empty
        found = list(read_records(log))
        assert [one.line for one in found] == sorted(one.line for one in found)
        for one in found:
            assert dataset.parse(json.dumps(one.value)) == one.value if isinstance(one, LogEntry) else one.reason.encode()
        assert list(read_records(log, chunk=chunk)) == found
        if not content.startswith((b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
            log.write_bytes(gzip.compress(content))
            assert list(read_records(log)) == found
        assert list(read_records(log, chunk=chunk, longest=longest))


@given(RECORDS, st.data())
def test_a_damaged_line_takes_no_others_with_it(tmp_path_factory: Any, values: list[Any], data: st.DataObject) -> None:
    wanted = [{"n": n, "value": value} for n, value in enumerate(values)]
    lines = [json.dumps(value) for value in wanted]
    which = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(1, len(lines[which]) - 1))
    put = data.draw(st.sampled_from([one for one in WRONG if "[[" not in one]))
    rest = data.draw(st.sampled_from([lines[which][at:], lines[which][at + 1 :], ""]))
    lines[which] = lines[which][:at] + put + rest
    log = tmp_path_factory.getbasetemp() / "lines"
    log.write_text("\n".join(lines), "utf-8")
    found = [one.value for one in read_records(log) if isinstance(one, LogEntry)]
    assert [value for value in wanted if value not in found] in ([], [wanted[which]])


@given(st.data())
def test_damage_to_a_compressed_file_is_said(tmp_path_factory: Any, data: st.DataObject) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("samples/1.json", LINES)
    content = data.draw(st.sampled_from([archive.getvalue(), gzip.compress(LINES.encode())]))
    at = data.draw(st.integers(2, len(content)))
    log = tmp_path_factory.getbasetemp() / "archive"
    log.write_bytes(content[:at] + data.draw(st.binary(max_size=3)) + content[at + data.draw(st.integers(0, 9)) :])
    with suppress(LogError):  # nothing is left
        found = list(read_records(log))
        assert [one.value for one in found if isinstance(one, LogEntry)] == [ONE, TWO] or isinstance(found[-1], Broken)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "between", "after"), [(b"", b"\n", b"\n"), (b"[", b", ", b"]"), (b"[\n", b",\n", b"\n]")])
@pytest.mark.parametrize("packed", [False, True])
def test_a_long_file_takes_little_memory(log: Path, before: bytes, between: bytes, after: bytes, packed: bool) -> None:
    record = json.dumps(
        {"messages": [{"role": "user", "content": "é" * 2_000}] * 20}, indent=1 if b"\n" in before else None
    ).encode()
    with gzip.open(log, "wb", 1) if packed else log.open("wb") as file:
        file.write(before + record)
        for _ in range(799):
            file.write(between + record)
        file.write(after)
    found, megabytes = entries_and_memory(log)
    assert (found, len(record) * 800 > 100_000_000) == (800, True)
    assert megabytes < 50


# ---------------------------------------------------------------------------------------------- other encodings and packings


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@given(RECORDS, st.sampled_from(ENCODINGS), st.booleans(), st.sampled_from([1, 2, 3, 5, CHUNK]))
def test_text_is_read_however_it_is_encoded(
    tmp_path_factory: Any, values: list[Any], encoding: str, array: bool, chunk: int
) -> None:
    lines = [json.dumps({"n": n, "value": value}, ensure_ascii=False) for n, value in enumerate(values)]
    text = f"[{', '.join(lines)}]" if array else "\n".join(lines)
    log = tmp_path_factory.getbasetemp() / "encoded"
    log.write_bytes(text.encode(encoding, "surrogatepass"))
    plain = tmp_path_factory.getbasetemp() / "plain"
    plain.write_bytes(text.encode("utf-8", "surrogatepass"))
    found, wanted = list(read_records(log, chunk=chunk)), list(read_records(plain))
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        assert len(found) >= 1  # it is told in other places, because other bytes are wrong
    else:
        assert found == wanted


def test_half_a_character_is_told_and_the_rest_is_read(log: Path) -> None:
    text = "\ufeff" + "".join(f'{{"n": {n}}}\n' for n in range(3))
    half = '"n": '.encode("utf-16-le") + b"\x00\xd8" + "1".encode("utf-16-le")
    broken = text.encode("utf-16-le").replace('"n": 1'.encode("utf-16-le"), half)
    assert read(log, broken) == [(1, {"n": 0}), (2, NOT_UTF8), (3, {"n": 2})]
    assert read(log, text.encode("utf-16-le")[:-1])[:2] == [(1, {"n": 0}), (2, {"n": 1})]
