"""A prompt token by token, for reading: sections of one segment each, and what each token shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from phrasing.tokenizers.tokenizer import FRAMING, Tokenized


@dataclass(frozen=True)
class Section:
    """Tokens in a row that belong to one segment: ``shown`` is what each shows, and how many tokens that is.

    A character that is split between tokens is shown once, with their number; framing that is estimated shows nothing.
    """

    kind: str
    shown: tuple[tuple[str, int], ...]

    @property
    def tokens(self) -> int:
        """How many tokens it is."""
        return sum(n for _, n in self.shown)


def sections(read: Tokenized) -> list[Section]:
    """Cut a prompt into its segments, in the order in which the model reads them."""
    made: list[Section] = []
    for kind, text, n in _readable(read):
        if made and made[-1].kind == kind:
            made[-1] = Section(kind, (*made[-1].shown, (text, n)))
        else:
            made.append(Section(kind, ((text, n),)))
    return made


def _readable(read: Tokenized) -> Iterator[tuple[str, str, int]]:
    """Give segment and text of each token; tokens that are no characters by themselves are joined until they are."""
    kinds = ["framing" if owner == FRAMING else read.pieces[owner].kind for owner in read.owners]
    held, n = b"", 0
    borders = [*read.starts.tolist(), len(read.text)]
    for i, (start, end) in enumerate(pairwise(borders)):
        held, n = held + read.text[start:end], n + 1
        last = i + 1 == len(kinds) or kinds[i + 1] != kinds[i]
        try:
            text = held.decode()
        except UnicodeDecodeError:
            if not last:
                continue
            text = held.decode(errors="replace")
        yield kinds[i], text, n
        held, n = b"", 0
