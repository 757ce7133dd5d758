"""Tokens: our own count of a prompt, by segment, with a named tokenizer. Offline: nothing is ever downloaded.

The content of a message is encoded whole, as it is sent, because tokens reach across the borders of segments (``>`` and the
blank line after it are one token). A token belongs to the segment that holds its first byte, so segments add up to the whole.

What the content doesn't show is counted by rule, and is an estimate:

- ``schema`` also holds the tools and the response format, as compact JSON. Each provider writes them in a way of its own.
- ``thread`` (or ``examples``) also holds the name and the arguments of each tool call in a message.
- ``framing`` is what a chat template adds: for each message 3 tokens and 1 for its role, and 3 that open the answer (OpenAI's
  published rule for its chat models). A tool call adds ``<tool_call>\\n{"name": "…", "arguments": …}\\n</tool_call>``, a tool's
  result ``<tool_response>\\n…\\n</tool_response>``, as Hermes and Qwen templates write them, each tag as one token.
  Call ids and other keys of a message add nothing: those templates don't show them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from phrasing.errors import ModelError, unknown
from phrasing.records import TokenCounts
from phrasing.types import Piece, Prompt, SegmentKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tiktoken import Encoding

DEFAULT = "o200k_base"

# tiktoken keeps a vocabulary under the SHA-1 of its address. litellm ships these two.
_VOCABULARIES = {
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

PER_MESSAGE = 3
PER_ROLE = 1
PER_ANSWER = 3
_CALL_PARTS = ('\n{"name": "', '", "arguments": ', "}\n")
_RESULT_PARTS = ("\n", "\n")
_TAGS = 2

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

_KINDS: tuple[SegmentKind, ...] = get_args(SegmentKind)

# tiktoken's pattern overflows its stack on hundreds of thousands of blanks in a row. Longer texts go in parts, cut after a run
# of newlines where no token can reach across; a part without such a place is cut at its end, which can cost a token.
_LONGEST = 100_000
_SAFE_CUT = re.compile(r"(?<=\n)(?=[^\s/])")


# ---------------------------------------------------------------------------------------------- the tokenizer


@lru_cache(maxsize=4)
def encoding(name: str = DEFAULT, *, folder: Path | None = None) -> Encoding:
    """Load a tokenizer from the vocabularies that litellm ships (or from ``folder``), without importing litellm.

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
    if name not in _VOCABULARIES:
        raise ModelError(unknown("tokenizer", name, _VOCABULARIES))
    file, digest = _VOCABULARIES[name]
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
def _byte_lengths(name: str) -> npt.NDArray[np.int64]:
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


def _encode(text: str, tokenizer: Encoding) -> npt.NDArray[np.uint32]:
    """Encode text in which special tokens are ordinary text."""
    # With nothing disallowed and nothing allowed, this is encode_ordinary() without a Python list.
    if len(text) <= _LONGEST:
        return tokenizer.encode_to_numpy(text, disallowed_special=())
    import numpy as np

    return np.concatenate([tokenizer.encode_to_numpy(part, disallowed_special=()) for part in _parts(text)])


def _parts(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _LONGEST:
        window = text[start : start + _LONGEST]
        cut = max((match.start() for match in _SAFE_CUT.finditer(window)), default=_LONGEST)
        yield window[:cut]
        start += cut
    yield text[start:]


def _clean(text: str) -> str:
    """Replace half surrogate pairs, which have no bytes, by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


# ---------------------------------------------------------------------------------------------- counting


@lru_cache(maxsize=512)
def count_text(text: str, encoding_name: str = DEFAULT) -> int:
    """Count the tokens of a text. Special tokens in it (``<|endoftext|>``) are ordinary text."""
    return len(_encode(_clean(text), encoding(encoding_name)))


def count(prompt: Prompt, encoding_name: str = DEFAULT) -> TokenCounts:
    """Count a prompt by segment. See the module for what is exact and what is an estimate."""
    totals = dict.fromkeys(_KINDS, 0)
    framing = PER_ANSWER
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        for kind, tokens in zip(_KINDS, _split(pieces, encoding_name), strict=True):
            totals[kind] += tokens
        framing += PER_MESSAGE + PER_ROLE
        for call in message.get("tool_calls") or ():
            function = call["function"]
            totals[pieces[0].kind] += count_text(function["name"], encoding_name) + count_text(
                function["arguments"], encoding_name
            )
            framing += _frame(_CALL_PARTS, encoding_name)
        if message.get("role") == "tool":
            framing += _frame(_RESULT_PARTS, encoding_name)
    for schema in (*(prompt.tools or ()), *([prompt.response_format] if prompt.response_format else ())):
        totals["schema"] += count_text(_COMPACT.encode(schema), encoding_name)
    return TokenCounts(**totals, framing=framing)


@lru_cache(maxsize=512)
def _split(pieces: tuple[Piece, ...], encoding_name: str) -> tuple[int, ...]:
    """Count the tokens of one message by kind, in the order of ``_KINDS``. Cached: system messages repeat in every cell."""
    texts = [_clean(piece.text) for piece in pieces]
    tokens = _encode("".join(texts), encoding(encoding_name))
    if len({piece.kind for piece in pieces}) < 2:
        return tuple(len(tokens) if pieces and kind == pieces[0].kind else 0 for kind in _KINDS)
    import numpy as np

    ends = np.cumsum([len(text.encode("utf-8")) for text in texts])
    lengths = _byte_lengths(encoding_name)[tokens]
    starts = np.cumsum(lengths) - lengths
    # How many tokens start before the end of each piece; the differences are the pieces' own.
    upto = np.searchsorted(starts, ends, side="left").tolist()
    totals = dict.fromkeys(_KINDS, 0)
    for piece, end, before in zip(pieces, upto, [0, *upto], strict=False):
        totals[piece.kind] += end - before
    return tuple(totals.values())


def _frame(parts: tuple[str, ...], encoding_name: str) -> int:
    return _TAGS + sum(count_text(part, encoding_name) for part in parts)
