"""Vocabularies: a text becomes numbered tokens. Offline: nothing is ever downloaded.

Every position in a text is that of a byte of its UTF-8 form, because a token may end within a character. Half a surrogate pair,
which has no such form, counts as a question mark.
"""

from __future__ import annotations

import hashlib
import importlib.util
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

    Numbers = npt.NDArray[np.int64]

# tiktoken keeps a vocabulary under the SHA-1 of its address. litellm ships these two.
_SHIPPED = {
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
}
_FOLDER = "litellm_core_utils/tokenizers"

# tiktoken's pattern overflows its stack on hundreds of thousands of blanks in a row. Longer texts go in parts, cut after a run
# of newlines where no token can reach across; a part without such a place is cut at its end, which can cost a token.
_LONGEST = 100_000
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


def parts(text: str) -> Iterator[str]:
    """Cut a long text where no token reaches across, if there is such a place."""
    start = 0
    while len(text) - start > _LONGEST:
        window = text[start : start + _LONGEST]
        cut = max((match.start() for match in _SAFE_CUT.finditer(window)), default=_LONGEST)
        yield window[:cut]
        start += cut
    yield text[start:]


# ---------------------------------------------------------------------------------------------- tiktoken


class TiktokenVocabulary:
    """One that litellm ships for tiktoken. Special tokens in a text (``<|endoftext|>``) are ordinary text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._encoding = encoding(name)
        self._bytes = _byte_lengths(name)

    def encode(self, text: str) -> Encoded:
        """Encode a text of any length."""
        import numpy as np

        found = [self._numbers(part) for part in parts(clean(text))]
        ids = (found[0] if len(found) == 1 else np.concatenate(found)).astype(np.int64)
        lengths = self._bytes[ids]
        return Encoded(ids, np.cumsum(lengths) - lengths)

    def count(self, text: str) -> int:
        """Count the tokens of a text of any length."""
        text = clean(text)
        encode = self._encoding.encode_ordinary  # for short texts four times as fast as into an array
        return len(encode(text)) if len(text) <= _LONGEST else sum(len(encode(part)) for part in parts(text))

    def _numbers(self, text: str) -> npt.NDArray[np.uint32]:
        # With nothing disallowed and nothing allowed, this is encode_ordinary() without a Python list.
        return self._encoding.encode_to_numpy(text, disallowed_special=())


@lru_cache(maxsize=4)
def encoding(name: str, *, folder: Path | None = None) -> Encoding:
    """Load a vocabulary that litellm ships (or one from ``folder``), without importing litellm.

    Raises ``ModelError`` as ``check`` does. It takes half a second: whoever doesn't count shouldn't ask for it.
    """
    folder = folder or _shipped()
    check(name, folder=folder)
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        return tiktoken.get_encoding(name)
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


def check(name: str, *, folder: Path | None = None) -> None:
    """Raise ``ModelError`` for an unknown tokenizer and for a vocabulary that is missing or damaged."""
    if name not in _SHIPPED:
        raise ModelError(unknown("tokenizer", name, _SHIPPED))
    file, digest = _SHIPPED[name]
    folder = folder or _shipped()
    # tiktoken would download a missing file, and delete and download a damaged one: look first.
    try:
        found = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    except OSError:
        found = "missing"
    if found != digest:
        state = "missing" if found == "missing" else "damaged"
        raise ModelError(
            f"tokenizer {name!r}: its vocabulary litellm/{_FOLDER}/{file} is {state}; "
            "mend it with: python -m pip install --force-reinstall --no-deps 'litellm>=1.106,<1.107'"
        )


def _shipped() -> Path:
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
