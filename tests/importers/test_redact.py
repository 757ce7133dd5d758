from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import LogError
from phrasing.importers.redact import REDACTED_KINDS, Redactor

# Invented, and put together here so that no scanner takes this file for one that leaks.
OPENAI, GITHUB, AWS = "sk-" + "proj-Ab3dE" * 4, "gh" + "p_" + "a1B2" * 9, "AK" + "IA" + "Q7" * 8
SLACK, GOOGLE, STRIPE = "xo" + "xb-123456789-abcdef", "AI" + "za" + "Sy_9" * 9, "sk_" + "live_" + "4eC39H" * 4
JWT = "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\nAbc+/=\n-----END RSA PRIVATE KEY-----"

REPLACED = [
    ("key", f"use {OPENAI} now", "use [key-1] now"),
    ("key", f"{GITHUB}, {AWS}", "[key-1], [key-2]"),
    ("key", f'"{SLACK}" {GOOGLE} {STRIPE}', '"[key-1]" [key-2] [key-3]'),
    ("key", f"Cookie: t={JWT};", "Cookie: t=[key-1];"),
    ("private-key", f"key:\n{PEM}\nend", "key:\n[private-key-1]\nend"),
    ("token", "Authorization: Bearer abcdef0123456789.xyz", "Authorization: Bearer [token-1]"),
    ("password", "password: hunter22, user: bob", "password: [password-1], user: bob"),
    ("password", '{"api_key": "abc123def"}', '{"api_key": "[password-1]"}'),
    ("password", '{\\"client_secret\\":\\"s3cr3t-x\\"}', '{\\"client_secret\\":\\"[password-1]\\"}'),
    ("password", "postgres://bob:pa55word@db/x", "postgres://bob:[password-1]@db/x"),
    ("email", "Write to Ann.Lee+x@Mail.example.org.", "Write to [email-1]."),
    ("email", "<a@b.io>,A@B.IO;c@b.io", "<[email-1]>,[email-1];[email-2]"),
    ("iban", "to DE89 3704 0044 0532 0130 00 please", "to [iban-1] please"),
    ("card", "4111 1111 1111 1111 or 4111-1111-1111-1111 or 378282246310005", "[card-1] or [card-1] or [card-2]"),
    ("ssn", "SSN 536-90-4399.", "SSN [ssn-1]."),
    ("phone", "+49 30 901820, (415) 555-2671, 415-555-2671, 415.555.2671", "[phone-1], [phone-2], [phone-2], [phone-2]"),
    ("ip", "from 10.0.0.12:80", "from [ip-1]:80"),
]


@pytest.mark.parametrize(("kind", "text", "redacted"), REPLACED, ids=[f"{kind}{i}" for i, (kind, _, _) in enumerate(REPLACED)])
def test_what_is_replaced(kind: str, text: str, redacted: str) -> None:
    redactor = Redactor(list(REDACTED_KINDS))
    assert redactor.text(text) == redacted
    assert set(redactor.found) == {kind}
    # a quick look at the whole value sees what a look at the text sees
    assert Redactor(list(REDACTED_KINDS)).value({"a": ["x", {"b": text}]}) == {"a": ["x", {"b": redacted}]}


@pytest.mark.parametrize(
    "text",
    [
        "#W2378156",
        "item 4582956489 and 1234567890123",
        "v1.22.333",
        "2026-11-23T04:05:06.123456+00:00 and 23.11.2026 12:30",
        "123e4567-e89b-12d3-a456-426614174000",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "$1,234.50 or 99.99, 3 x 4 = 12",
        "4111 1111 1111 1112",
        "1111 1111 1111 1111",
        "def f(a, b): return a[1:2] + b @ c",
        "@alex asks, see user@host",
        "the password: required",
        "your token, please; the key is under the mat",
        "sk-learn and ghp_ and AKIA",
        "DE89 3704 0044 0532 0130 02",
        "000-12-3456 and 12-34-567",
        "https://example.org:8080/a@b",
        "bearer of bad news",
        "chapter 1.2.3.4.5",
        "[email-1] and [card-2]",
    ],
)
def test_what_stays(text: str) -> None:
    redactor = Redactor(list(REDACTED_KINDS))
    value = {"text": text}
    assert redactor.value(value) is value or redactor.value(value) == value
    assert redactor.text(text) == text
    assert not redactor.found


def test_the_same_value_has_the_same_placeholder_wherever_it_stands() -> None:
    redactor = Redactor()
    assert redactor.value({"who": "a@b.io", "x@y.io": [1, None, "x@y.io"]}) == {
        "who": "[email-1]",
        "[email-2]": [1, None, "[email-2]"],
    }
    assert redactor.text("A@b.io") == "[email-1]"
    assert (dict(redactor.found), dict(redactor.different)) == ({"email": 4}, {"email": 2})


def test_what_stands_under_the_name_of_a_secret_is_one() -> None:
    value = {
        "api_key": "abc123",
        "DB-PASSWORD": "x9",
        "password": "required",
        "keys": ["a1"],
        "token_id": "7",
        "client_secret": 5,
    }
    redactor = Redactor()
    done = redactor.value(value)
    assert done == {**value, "api_key": "[password-1]", "DB-PASSWORD": "[password-2]"}
    assert Redactor().value(done) == done


def test_kinds_can_be_left_out_and_added() -> None:
    redactor = Redactor(["phone"], {"order": r"#W\d+", "name": r"I am (?P<value>\w+)"})
    assert redactor.text("I am Ann, #W12, a@b.io, #W12, 415-555-2671") == "I am [name-1], [order-1], a@b.io, [order-1], [phone-1]"


@pytest.mark.parametrize(
    ("kinds", "own", "message"),
    [
        (["mail"], {}, r"kind 'mail' not found \(did you mean 'email'\?\); there are: card"),
        ([], {"x": "("}, r"the pattern 'x' is none: missing \), unterminated subpattern at position 0: '\('"),
        ([], {"X y": "a"}, r"the name 'X y' of a pattern must be a-z"),
    ],
    ids=["kind", "pattern", "name"],
)
def test_a_mistake_is_said(kinds: list[str], own: dict[str, str], message: str) -> None:
    with pytest.raises(LogError, match=message):
        Redactor(kinds, own)


PARTS = st.sampled_from(
    [text for _, text, _ in REPLACED] + ["hello", "4582956489", " ", '"', "\\", "é", "@", "+1", "-", "4", "a."]
)


@given(st.lists(PARTS, max_size=6))
def test_once_is_enough_and_json_stays_json(parts: list[str]) -> None:
    text = " ".join(parts)
    once = Redactor(list(REDACTED_KINDS)).text(text)
    assert Redactor(list(REDACTED_KINDS)).text(once) == once
    assert isinstance(json.loads(Redactor(list(REDACTED_KINDS)).text(json.dumps({"a": text, "n": [1, "x"]}))), dict)


@pytest.mark.parametrize(
    "unit", ["a@", "1", "1-", "+1 ", "(1", "GB12 ", "://a:", "password=", "-----BEGIN ", "eyJ", "sk-a", "1.", " ", "\\"]
)
def test_much_of_anything_is_read_to_its_end(unit: str) -> None:
    text = unit * (250_000 // len(unit))
    assert len(Redactor(list(REDACTED_KINDS)).text(text)) > 0
