"""Vocabularies: a text becomes numbered tokens. Offline: nothing is ever downloaded.

Every position in a text is that of a byte of its UTF-8 form, because a token may end within a character. Half a surrogate pair,
which has no such form, counts as a question mark.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from phrasing.errors import ModelError, unknown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tiktoken import Encoding

    import tokenizers

    Numbers = npt.NDArray[np.int64]

# tiktoken keeps a vocabulary under the SHA-1 of its address. litellm ships these two. Behind it the SHA-256 of the file, and of
# the pattern by which tiktoken cuts a text into words.
_SHIPPED = {
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "2d1b8dc11e89af71459b36004f698ab3693f59fd84f63e8ec2b49564ab857420",
    ),
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "f021c3d976978e62ee64cdad150cc3405c2e3d6e3b40407850bb9e8d9eb65899",
    ),
}
_FOLDER = "litellm_core_utils/tokenizers"

# tiktoken's pattern overflows its stack on hundreds of thousands of blanks in a row. Longer texts go in parts, cut after a run
# of newlines where no token can reach across; a part without such a place is cut at its end, which can cost a token.
_LONGEST = 100_000
_SHORT = 1000
_SAFE_CUT = re.compile(r"(?<=\n)(?=[^\s/])")


@dataclass(frozen=True, slots=True)
class Encoded:
    """The tokens of a text: their numbers, and the byte at which each begins. Both have the shape (tokens,)."""

    ids: Numbers
    starts: Numbers


class Vocabulary(Protocol):
    """Makes tokens of a text by itself; what a chat template adds is not its business."""

    @property
    def name(self) -> str:
        """What a suite or ``--tokenizer`` calls it."""

    def encode(self, text: str) -> Encoded:
        """Encode a text of any length."""

    def count(self, text: str) -> int:
        """Count the tokens of a text of any length: ``len(encode(text).ids)``, quicker."""


def clean(text: str) -> str:
    """Replace half surrogate pairs, which have no bytes, by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def parts(text: str, longest: int = _LONGEST) -> Iterator[str]:
    """Cut a long text where no token reaches across, if there is such a place."""
    start = 0
    while len(text) - start > longest:
        window = text[start : start + longest]
        cut = max((match.start() for match in _SAFE_CUT.finditer(window)), default=longest)
        yield window[:cut]
        start += cut
    yield text[start:]


# ---------------------------------------------------------------------------------------------- tiktoken


class TiktokenVocabulary:
    """One that litellm ships for tiktoken, loaded when it first counts. Special tokens in a text are ordinary text."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _encoding(self) -> Encoding:
        return encoding(self.name)

    def encode(self, text: str) -> Encoded:
        """Encode a text of any length."""
        import numpy as np

        found = [self._numbers(part) for part in parts(clean(text))]
        ids = (found[0] if len(found) == 1 else np.concatenate(found)).astype(np.int64)
        lengths = _byte_lengths(self.name)[ids]
        return Encoded(ids, np.cumsum(lengths) - lengths)

    def count(self, text: str) -> int:
        """Count the tokens of a text of any length."""
        text = clean(text)
        if len(text) <= _SHORT:
            return len(self._encoding.encode_ordinary(text))  # an array takes four times as long to make
        return len(self._numbers(text)) if len(text) <= _LONGEST else sum(len(self._numbers(part)) for part in parts(text))

    def _numbers(self, text: str) -> npt.NDArray[np.uint32]:
        # With nothing disallowed and nothing allowed, this is encode_ordinary() without a Python list.
        return self._encoding.encode_to_numpy(text, disallowed_special=())


@lru_cache(maxsize=4)
def encoding(name: str, *, folder: Path | None = None) -> Encoding:
    """Load a vocabulary that litellm ships (or one from ``folder``), without importing litellm.

    Raises ``ModelError`` as ``check`` does. It takes half a second: whoever doesn't count shouldn't ask for it.
    """
    folder = folder or shipped()
    check(name, folder=folder)
    import tiktoken

    published = importlib.import_module("tiktoken_ext.openai_public").ENCODING_CONSTRUCTORS[name]
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        made = published()
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    loaded = tiktoken.Encoding(**{**made, "pat_str": _quicker(made["pat_str"], _SHIPPED[name][2])})
    loaded._mergeable_ranks = {}  # 20 MB that only a copy of it is made of
    return loaded


def unload() -> None:
    """Let go of the vocabularies that were loaded: each takes some 60 MB. One that counts again is loaded again."""
    encoding.cache_clear()
    _byte_lengths.cache_clear()


def _quicker(pattern: str, known: str) -> str:
    """Write tiktoken's pattern so that it cuts the same words in half the time; one that isn't the known one stays as it is.

    The engine tries alternatives one by one where any of them looks ahead or is possessive. In a group, and greedy, those before
    the one that looks ahead are a single automaton. Greedy repetitions match the same here: whatever they gave back, nothing that
    follows would match.
    """
    if hashlib.sha256(pattern.encode()).hexdigest() != known:
        return pattern
    simple, ahead, rest = pattern.partition(r"|\s+(?!\S)|")
    greedy = re.sub(r"(?<=[+*?])\+|(?<=\d})\+", "", simple)
    return f"(?:{greedy}){ahead}{rest}"


def check(name: str, *, folder: Path | None = None) -> None:
    """Raise ``ModelError`` for an unknown tokenizer and for a vocabulary that is missing or damaged."""
    if name not in _SHIPPED:
        raise ModelError(f"{unknown('tokenizer', name, _SHIPPED)}; or the path of a tokenizer.json; or --tokenizer local/NAME")
    file, digest, _ = _SHIPPED[name]
    folder = folder or shipped()
    # tiktoken would download a missing file, and delete and download a damaged one: look first.
    try:
        path = folder / file
        stands = path.stat()
        found = _digest(path, stands.st_mtime_ns, stands.st_size)
    except OSError:
        found = "missing"
    if found != digest:
        state = "missing" if found == "missing" else "damaged"
        raise ModelError(
            f"tokenizer {name!r}: its vocabulary litellm/{_FOLDER}/{file} is {state}; "
            "mend it with: python -m pip install --force-reinstall --no-deps 'litellm>=1.106,<1.107'"
        )


@lru_cache(maxsize=4)
def _digest(path: Path, changed: int, size: int) -> str:
    """Digest a file as it was then: every suite that is resolved asks for it, and it is megabytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shipped() -> Path:
    """Find the folder of the vocabularies that litellm ships. Raises ``ModelError`` where litellm isn't installed."""
    # Finding the specification of a top-level package doesn't import it.
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ModelError("tokenizers come with litellm, which isn't installed; python -m pip install 'litellm>=1.106,<1.107'")
    return Path(spec.origin).parent / _FOLDER


@lru_cache(maxsize=4)
def _byte_lengths(name: str) -> Numbers:
    """Return the length in bytes of every token, by token number."""
    import numpy as np

    tokenizer = encoding(name)
    lengths = np.zeros(tokenizer.n_vocab, dtype=np.int64)
    for token in range(tokenizer.n_vocab):
        try:
            lengths[token] = len(tokenizer.decode_single_token_bytes(token))
        except KeyError:  # numbers between the last token and the special ones are not used
            continue
    return lengths


# ---------------------------------------------------------------------------------------------- Hugging Face

# A token takes 200 bytes while the library holds it, and its time grows faster than the text.
_LONGEST_FILE = 1_000_000


class FileVocabulary:
    """A ``tokenizer.json`` of Hugging Face's library. Special tokens in a text are special, as servers have them by default.

    Nothing is added to a text: what begins or ends a prompt is the chat template's business. Where several tokens share a
    character, all of them begin where it does. Raises ``ModelError`` where the file is missing or damaged.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._tokenizer = _read(name, path)

    def encode(self, text: str) -> Encoded:
        """Encode a text of any length."""
        import numpy as np

        ids, starts, at = [], [], 0
        for part in parts(clean(text), _LONGEST_FILE):
            encoded = self._tokenizer.encode(part, add_special_tokens=False)
            ids.append(np.array(encoded.ids, dtype=np.int64))
            bytes_before = _bytes_before(part)
            first = np.array([start for start, _ in encoded.offsets], dtype=np.int64)
            starts.append(at + np.maximum.accumulate(bytes_before[first]))
            at += int(bytes_before[-1])
        return Encoded(np.concatenate(ids), np.concatenate(starts))

    def count(self, text: str) -> int:
        """Count the tokens of a text of any length."""
        cut = list(parts(clean(text), _LONGEST_FILE))
        return sum(len(self._tokenizer.encode_batch_fast([part], add_special_tokens=False)[0]) for part in cut)


def check_file(name: str, path: Path) -> None:
    """Raise ``ModelError`` where a ``tokenizer.json`` isn't there or is none, without loading it."""
    wanted = "wanted a model's tokenizer.json, copied from its page on Hugging Face; nothing is downloaded"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"tokenizer {name!r}: {error.strerror}; {wanted}", where=str(path)) from None
    try:
        found = json.loads(content)
    except ValueError as error:
        raise ModelError(f"tokenizer {name!r}: not JSON: {error}; {wanted}", where=str(path)) from None
    if not isinstance(found, dict) or not isinstance(found.get("model"), dict):
        raise ModelError(f"tokenizer {name!r}: holds no vocabulary under 'model'; {wanted}", where=str(path))


def _read(name: str, path: Path) -> tokenizers.Tokenizer:
    check_file(name, path)
    import tokenizers

    try:
        loaded = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library has no error of its own
        raise ModelError(f"tokenizer {name!r}: damaged, or of a newer kind: {error}", where=str(path)) from None
    # what it would do to its output: cut it, fill it up, and move the beginnings of words past their blanks
    loaded.no_truncation()
    loaded.no_padding()
    loaded.post_processor = None
    return loaded


def _bytes_before(text: str) -> Numbers:
    """Say for each character, and for the end, how many bytes stand before it."""
    import numpy as np

    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    widths = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(widths)))
