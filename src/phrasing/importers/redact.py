"""Replace what logs hold of people and keys by placeholders, the same one for the same value wherever it stands.

What is found is what has a shape: names and addresses of people have none, and stay. ``docs/redaction.md`` lists the kinds.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

import pydantic_core
from pydantic import JsonValue

from phrasing.errors import LogError, unknown


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is looked for. A group ``value`` of the pattern is the part that is replaced.

    For there to be anything to find, a text must have the ``shape`` and one of ``hints``, which are in small letters with white
    space between them: a quick look first.
    ``sure`` tells whether what was found is one, ``same`` makes one text of a value's many spellings.
    """

    pattern: str
    hints: str = ""
    shape: Callable[[bytes], bool] = lambda text: True
    sure: Callable[[str], bool] = lambda found: True
    same: Callable[[str], str] = lambda found: found


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _luhn(text: str) -> bool:
    """Tell whether a card number's last digit is right (ISO/IEC 7812-1, annex B), and its first digits are a card's."""
    digits = _digits(text)
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return digits[0] in "3456" and len(set(digits)) > 1 and sum(sum(divmod(number, 10)) for number in doubled) % 10 == 0


def _iban(text: str) -> bool:
    """Tell whether an account's check digits are right (ISO 13616)."""
    packed = re.sub(r"\s", "", text).upper()
    return int("".join(str(int(sign, 36)) for sign in packed[4:] + packed[:4])) % 97 == 1


def _table(**signs: str) -> bytes:
    """Make a table for ``bytes.translate``: each of these texts' characters becomes the sign that it is named after."""
    names = {"word": b"a", "digit": b"0", "capital": b"A", "gap": b"-", "plus": b"+", "close": b")"}
    table = bytearray(b"x" * 256)
    for name, characters in signs.items():
        for character in characters.encode():
            table[character] = names[name][0]
    return bytes(table)


_RUNS = _table(word=f"{string.ascii_letters}{string.digits}_-.~+/")
_DIGITS = _table(digit=string.digits, gap=" .-", plus="+", close=")")
_CAPITALS = _table(digit=string.digits, capital=string.ascii_uppercase)


# What the patterns below need at least, found at the speed of searching bytes.


def _like_key(text: bytes) -> bool:
    return b"a" * 20 in text.translate(_RUNS)


def _like_iban(text: bytes) -> bool:
    return b"AA00" in text.translate(_CAPITALS) and b"0" * 12 in text.translate(_CAPITALS, b" ").replace(b"A", b"0")


def _like_card(text: bytes) -> bool:
    return b"0" * 13 in text.translate(_DIGITS, b" -")


def _like_ssn(text: bytes) -> bool:
    return b"000-00-0000" in text.translate(_DIGITS)


def _like_phone(text: bytes) -> bool:
    signs = text.translate(_DIGITS)
    return b"000-000-0000" in signs or b"+0" in signs or b"0)0" in signs or b"0)-0" in signs


_KEYS = (
    r"sk-[A-Za-z0-9_-]{20,}|[sprk]k_(?:live|test)_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    r"|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{15,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|A[KS]IA[A-Z0-9]{16}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|gsk_[A-Za-z0-9]{30,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
)

_NAMES = r"(?:password|passwd|api[_-]?key|access[_-]?token|client[_-]?secret|secret[_-]?(?:access[_-]?)?key)"
_SECRET = re.compile(rf"(?i)(?:.*[^A-Za-z])?{_NAMES}")
_TELLS = re.compile(r"[0-9!@#$%^&*]")  # other words describe a password, and aren't one

_GROUPS = ("value", "value2")

REDACTED_KINDS: Mapping[str, _Kind] = {
    "private-key": _Kind(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,-]{0,10000}?-----END [A-Z ]{0,30}PRIVATE KEY-----",
        "-----begin",
    ),
    "key": _Kind(
        rf"(?<![A-Za-z0-9_-])(?:{_KEYS})(?![A-Za-z0-9_-])",
        "sk- _live_ _test_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox aiza ya29. hf_ akia asia npm_ pypi- gsk_ eyj",
        _like_key,
    ),
    "token": _Kind(r"(?i)(?<![A-Za-z])bearer\s{1,3}(?P<value>[A-Za-z0-9._~+/-]{16,}=*)", "bearer"),
    "password": _Kind(
        rf"(?i)(?:(?<![A-Za-z]){_NAMES}"
        r"\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?(?P<value>[^\s\"'\\,;&}\[]{6,200})|://[^\s:/@]{1,100}:(?P<value2>[^\s:/@\[]{3,200})@)",
        "assw key token secret ://",
        sure=lambda found: _TELLS.search(found) is not None,
    ),
    "email": _Kind(
        r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])",
        "@",
        same=str.lower,
    ),
    "iban": _Kind(
        r"[A-Z](?<![A-Za-z0-9].)[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
        shape=_like_iban,
        sure=_iban,
        same=lambda found: re.sub(r"\s", "", found),
    ),
    "card": _Kind(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)", shape=_like_card, sure=_luhn, same=_digits),
    "ssn": _Kind(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])", shape=_like_ssn),
    "phone": _Kind(
        r"(?<![\w.+-])(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}|\(\d{2,5}\)[ .-]?\d{3,4}(?:[ .-]?\d{2,4}){1,2}"
        r"|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w-]|\.\d)",
        shape=_like_phone,
        sure=lambda found: 8 <= len(_digits(found)) <= 15,
        same=_digits,
    ),
    "ip": _Kind(
        r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])",
        ".",
    ),
}
"""What can be found, in the order in which it is looked for."""

_Look = tuple[str, _Kind, re.Pattern[str], tuple[bytes, ...]]
"""A kind's name, the kind, its pattern and its hints."""

DEFAULT_KINDS = tuple(name for name in REDACTED_KINDS if name != "ip")
"""What is replaced unless one says otherwise."""


def _suspects(text: bytes, looks: list[_Look]) -> list[_Look]:
    """Give what may be in a text, by a quick look."""
    lower = text.lower()
    suspects = []
    for look in looks:
        _, kind, _, hints = look
        if not kind.shape(text):
            continue
        for hint in hints:  # a plain loop: this is where all texts pass
            if hint in lower:
                break
        else:
            if hints:
                continue
        suspects.append(look)
    return suspects


def _as_it_is(value: JsonValue) -> JsonValue:
    return value


@dataclass
class Redactor:
    """Replaces by ``[kind-number]``, numbered as values are met: the mapping of one import.

    ``kinds`` are names of ``REDACTED_KINDS``, ``own`` are patterns of Python's ``re`` by names of their own; of a match, its
    group ``value`` is replaced, or all of it. What was replaced is kept as a digest only. Raises ``LogError`` for an unknown kind
    and for a pattern that doesn't compile.
    """

    kinds: Collection[str] = DEFAULT_KINDS
    own: Mapping[str, str] = field(default_factory=dict)
    found: Counter[str] = field(default_factory=Counter)
    """How often each kind was replaced."""
    _numbers: dict[bytes, int] = field(default_factory=dict, repr=False)
    _different: Counter[str] = field(default_factory=Counter, repr=False)

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in REDACTED_KINDS:
                raise LogError(unknown("kind", name, REDACTED_KINDS))
        chosen = {**{name: _Kind(pattern) for name, pattern in self.own.items()}}
        chosen |= {name: kind for name, kind in REDACTED_KINDS.items() if name in self.kinds}
        self._looks: list[_Look] = []
        for name, kind in chosen.items():
            if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
                raise LogError(f"the name {name!r} of a pattern must be a-z, 0-9 and hyphens")
            try:
                self._looks.append((name, kind, re.compile(kind.pattern), tuple(kind.hints.encode().split())))
            except re.error as error:
                raise LogError(f"the pattern {name!r} is none: {error}: {kind.pattern!r}") from None

    @property
    def different(self) -> Mapping[str, int]:
        """How many different values of each kind were replaced."""
        return self._different

    def text(self, text: str) -> str:
        """Replace in a text."""
        return self._in_text(text, _suspects(text.encode(), self._looks))

    def value(self, value: JsonValue) -> JsonValue:
        """Replace in all texts of a value, its keys too. What holds nothing to replace is given back as it is."""
        return self._value(value, self._looks)

    def over(self, values: object) -> Callable[[JsonValue], JsonValue]:
        """Make a ``value`` for parts of these values, which are looked at together: that is quicker than each by itself."""
        suspects = _suspects(pydantic_core.to_json(values), self._looks)
        return partial(self._value, looks=suspects) if suspects else _as_it_is

    def _value(self, value: JsonValue, looks: list[_Look]) -> JsonValue:
        # One quick look at a whole value costs less than one at each of its texts.
        suspects = _suspects(value.encode() if isinstance(value, str) else pydantic_core.to_json(value), looks)
        return self._in_value(value, suspects) if suspects else value

    def _in_text(self, text: str, suspects: list[_Look]) -> str:
        for name, kind, pattern, _ in suspects:
            if pattern.search(text):
                text = pattern.sub(partial(self._replace, name, kind), text)
        return text

    def _in_value(self, value: JsonValue, suspects: list[_Look]) -> JsonValue:
        if isinstance(value, str):
            return self._in_text(value, suspects)
        if isinstance(value, list):
            return [self._in_value(item, suspects) for item in value]
        if isinstance(value, dict):
            named = any([look[0] == "password" for look in suspects])
            return {
                self._in_text(key, suspects): self._secret(item)
                if named and isinstance(item, str) and _SECRET.fullmatch(key) and _TELLS.search(item)
                else self._in_value(item, suspects)
                for key, item in value.items()
            }
        return value

    def _secret(self, text: str) -> str:
        """Replace a text that stands under the name of a secret."""
        return text if re.fullmatch(r"\[[a-z-]+-\d+\]", text) else self._placeholder("password", text, REDACTED_KINDS["password"])

    def _replace(self, name: str, kind: _Kind, match: re.Match[str]) -> str:
        groups = [group for group in _GROUPS if match.groupdict().get(group)]
        begin, end = match.span(groups[0]) if groups else match.span()
        found = match.string[begin:end]
        if not kind.sure(found):
            return match[0]
        whole = match.string[match.start() : begin], match.string[end : match.end()]
        return f"{whole[0]}{self._placeholder(name, found, kind)}{whole[1]}"

    def _placeholder(self, name: str, found: str, kind: _Kind) -> str:
        digest = hashlib.blake2b(f"{name}\0{kind.same(found)}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if digest not in self._numbers:
            self._different[name] += 1
            self._numbers[digest] = self._different[name]
        self.found[name] += 1
        return f"[{name}-{self._numbers[digest]}]"
