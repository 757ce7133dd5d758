"""Tokens: our own count of a prompt, by segment, with a named tokenizer.

A ``Tokenizer`` is a vocabulary and a way to frame messages. ``tokenize`` gives a prompt as the model reads it, token by token;
``count`` only counts, and is quicker. A token belongs to the segment that holds its first byte, because tokens reach across the
borders of segments (``>`` and the blank line after it are one token): so segments add up to the whole.

``Exact`` is the tokenizer of a model whose chat template is known too: ``template_spans`` says how its text is taken apart.

``Estimate`` is the tokenizer of models whose chat template isn't known. Contents are exact, the rest is counted by rule:

- ``schema`` also holds the tools and the enforced schema, as a ``ToolRule`` says that their provider shows them. Where that isn't
  known, the count is a range.
- ``thread`` (or ``examples``) also holds the name and the arguments of each tool call in a message.
- ``framing`` is what a chat template adds: for each message 3 tokens and 1 for its role, and 3 that open the answer (OpenAI's
  published rule for its chat models). A tool call adds ``<tool_call>\\n{"name": "…", "arguments": …}\\n</tool_call>``, a tool's
  result ``<tool_response>\\n…\\n</tool_response>``, as Hermes and Qwen templates write them, each tag as one token.
  Call ids and other keys of a message add nothing: those templates don't show them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args

from phrasing.errors import ModelError
from phrasing.records import TokenCounts
from phrasing.tokenizers import chat_template, vocabulary
from phrasing.tokenizers.template_spans import Apply, Layout
from phrasing.tokenizers.tool_rules import NOTHING, UNPUBLISHED, Shown, ToolRule, Written
from phrasing.tokenizers.vocabulary import Encoded, FileVocabulary, TiktokenVocabulary, Vocabulary, clean
from phrasing.types import Message, Piece, Prompt, SegmentKind

if TYPE_CHECKING:
    from phrasing.tokenizers.vocabulary import Numbers

DEFAULT = "o200k_base"

PER_MESSAGE = 3
PER_ROLE = 1
PER_ANSWER = 3
_CALL_PARTS = ('\n{"name": "', '", "arguments": ', "}\n")
_RESULT_PARTS = ("\n", "\n")
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

KINDS: tuple[SegmentKind, ...] = get_args(SegmentKind)

FRAMING = -1
"""The owner of tokens that no piece of a prompt holds: the chat template's own."""

# Made-up numbers, below 0 where no vocabulary has any, for framing whose tokens aren't known.
_ANSWER, _TAG, _AROUND, _MESSAGE = -1, -2, -3, -4
_ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True)
class Tokenized:
    """A prompt as a tokenizer sees it: all arrays have the shape (tokens,), in the order in which the model reads them.

    ``ids`` are the vocabulary's numbers, or below 0 where tokens are made up by a rule; ``starts`` is the byte of ``text`` at
    which a token begins (made-up ones have no bytes); ``owners`` says which of ``pieces`` holds it, or ``FRAMING``. ``pieces``
    are some of kind ``schema`` for what tools and an enforced schema add, and those of the prompt, in order. ``spread`` is that
    of the counts.
    """

    ids: Numbers
    starts: Numbers
    owners: Numbers
    text: bytes
    pieces: tuple[Piece, ...]
    spread: int = 0

    @cached_property
    def counts(self) -> TokenCounts:
        """Tokens by segment."""
        return by_kind(self.pieces, self.per_piece, self.spread)

    @cached_property
    def per_piece(self) -> list[int]:
        """Tokens of each piece, and those of framing last."""
        n = len(self.pieces)
        return _counted(self.owners % (n + 1), n + 1)  # framing, which is -1, comes last


def by_kind(pieces: Iterable[Piece], per_piece: Iterable[int], spread: int = 0) -> TokenCounts:
    """Add up the tokens of pieces by their kind; a number more than there are pieces is that of framing."""
    totals = dict.fromkeys((*KINDS, "framing"), 0)
    for kind, tokens in zip([*(piece.kind for piece in pieces), "framing"], per_piece, strict=True):
        totals[kind] += tokens
    return TokenCounts(**totals, spread=spread)


class Tokenizer(Protocol):
    """Counts prompts as a model, or a family of models, reads them."""

    @property
    def name(self) -> str:
        """What a suite or ``--tokenizer`` calls it."""

    @property
    def exact(self) -> bool:
        """Whether vocabulary and chat template are both known, so that no number is an estimate."""

    @property
    def rule(self) -> str:
        """What of contents and framing is exact and what is estimated, without a full stop."""

    @property
    def tool_rule(self) -> ToolRule | None:
        """How tools and an enforced schema are counted; ``None``: as the template shows them, whoever serves it."""

    def under(self, rule: ToolRule, *, named: bool = False) -> Tokenizer:
        """Give the same for models whose provider shows tools by that rule, which may be ``named`` beside the vocabulary."""

    def tokenize(self, prompt: Prompt) -> Tokenized:
        """Give a prompt as the model reads it."""

    def count(self, prompt: Prompt) -> TokenCounts:
        """Count a prompt by segment: ``tokenize(prompt).counts``, quicker."""


def open_tokenizer(name: str, root: Path = Path()) -> Tokenizer:
    """Load a tokenizer by name, or by the path of a ``tokenizer.json``, below ``root`` if it isn't absolute.

    One that has its chat template beside it is exact. Raises ``ModelError`` where it is unknown, missing or damaged.
    """
    if not is_path(name):
        check(name)
        return _estimate(name)
    path = (root / name).expanduser()
    read = FileVocabulary(name, path)
    template = chat_template.load(name, path.parent)
    return Exact(name, template, read.encode) if template else Estimate(read)


def check(name: str, root: Path = Path()) -> None:
    """Raise ``ModelError`` where ``open_tokenizer`` would, in less time, but for a file that is damaged within."""
    if is_path(name):
        path = (root / name).expanduser()
        vocabulary.check_file(name, path)
        chat_template.load(name, path.parent)
    elif is_of_model(name):
        raise ModelError(
            f"tokenizer {name!r} is read by its server, and counting here must not need a model; "
            f"see its counts with: phrasing tokens SUITE --tokenizer {name}"
        )
    else:
        vocabulary.check(name)


def is_path(name: str) -> bool:
    """Whether the name of a tokenizer is the path of a file."""
    return name.endswith(".json")


def is_of_model(name: str) -> bool:
    """Whether the name of a tokenizer is the id of a model, such as ``local/…``, which only its provider can open."""
    return "/" in name and not is_path(name)


@lru_cache(maxsize=4)
def _estimate(name: str) -> Estimate:
    return Estimate(TiktokenVocabulary(name))


def count(prompt: Prompt, name: str = DEFAULT) -> TokenCounts:
    """Count a prompt by segment with the tokenizer of that name."""
    return open_tokenizer(name).count(prompt)


def count_text(text: str, name: str = DEFAULT) -> int:
    """Count the tokens of a text alone, without framing. Special tokens in it (``<|endoftext|>``) are ordinary text."""
    return _estimate(name).count_text(text)


def characters(prompt: Prompt) -> int:
    """Count the characters of a prompt: its messages, the names and arguments of tool calls, tools as compact JSON."""
    number = sum(map(len, _schemas(prompt)))
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        for piece in pieces:
            number += len(piece.text)
        for call in message.get("tool_calls") or ():
            number += sum(map(len, _called(call)))
    return number


def offered(prompt: Prompt) -> str:
    """Name the tools and the enforced schema of a prompt: equal names, equal tools; empty where it has none."""
    return "\n".join(_schemas(prompt))


# ---------------------------------------------------------------------------------------------- by a known template


class Exact:
    """A model's own vocabulary under its own chat template: ``apply`` writes a prompt as one text, ``encode`` cuts that."""

    exact = True
    rule = "vocabulary and chat template are the model's own; all that tools add is schema, and an enforced schema adds nothing"
    tool_rule = None

    def __init__(self, name: str, apply: Apply, encode: Callable[[str], Encoded]) -> None:
        self.name = name
        self._layout = Layout(name, apply)
        self._encode = encode

    def under(self, rule: ToolRule, *, named: bool = False) -> Exact:
        """Give itself: the template says how tools are shown."""
        return self

    def count(self, prompt: Prompt) -> TokenCounts:
        """Count a prompt by segment."""
        return self.tokenize(prompt).counts

    def tokenize(self, prompt: Prompt) -> Tokenized:
        """Give a prompt as the model reads it. Its pieces begin with all that tools add, as one of kind ``schema``."""
        import numpy as np

        parts, pieces = self._layout.read(prompt)
        texts = [text for _, text in parts]
        encoded = self._encode("".join(texts))
        owned = np.array([FRAMING if owner is None else owner for owner, _ in parts])[_owners(texts, encoded)]
        return Tokenized(encoded.ids, encoded.starts, owned, "".join(texts).encode(), pieces)


# ---------------------------------------------------------------------------------------------- by rule


Run = tuple[tuple[int, ...], tuple[str, ...]]
"""Texts that are encoded as one, and the owner of each; or, without texts, the made-up numbers of as many framing tokens."""


@dataclass(frozen=True, slots=True)
class _Offered:
    """Tools and enforced schema of a prompt: what is written at least, its tokens, and how many more they may be."""

    least: Written
    tokens: int
    spread: int


_NOTHING = _Offered(NOTHING, 0, 0)


class Estimate:
    """A known vocabulary under an unknown chat template. ``tool_rule`` says how tools and an enforced schema are shown."""

    exact = False
    rule = "contents are exact; framing (4 a message, 3 for the answer) goes by rule"

    def __init__(self, vocabulary: Vocabulary, tool_rule: ToolRule = UNPUBLISHED, *, named: bool = False) -> None:
        self.vocabulary = vocabulary
        self.tool_rule = tool_rule
        self._named = named
        # What prompts share comes back in every cell: system messages, schemas, names of tools.
        self._remembered = lru_cache(maxsize=512)(self._split)
        self._known = lru_cache(maxsize=512)(vocabulary.count)
        self._offers = lru_cache(maxsize=64)(self._offer)
        self._per_message = PER_MESSAGE + PER_ROLE

    @cached_property
    def _per_result(self) -> int:
        return self._framing(_framed(_RESULT_PARTS))

    @cached_property
    def _per_call(self) -> int:
        return self._framing(_framed(_CALL_PARTS))

    @property
    def name(self) -> str:
        """What a suite or ``--tokenizer`` calls it, and the rule for tools where it is named."""
        return f"{self.vocabulary.name}, tools: {self.tool_rule.name}" if self._named else self.vocabulary.name

    def under(self, rule: ToolRule, *, named: bool = False) -> Estimate:
        """Give the same vocabulary under another rule for tools."""
        return Estimate(self.vocabulary, rule, named=named)

    def count_text(self, text: str) -> int:
        """Count the tokens of a text alone."""
        # long texts aren't worth the memory
        return (self._known if len(text) <= _SHORT else self.vocabulary.count)(text)

    def split(self, texts: tuple[str, ...]) -> tuple[int, ...]:
        """Count the tokens of texts that are encoded as one: each token in the text that holds its first byte."""
        if len(texts) == 1:
            return (self.count_text(texts[0]),)
        return (self._remembered if sum(map(len, texts)) <= _SHORT else self._split)(texts)

    def _split(self, texts: tuple[str, ...]) -> tuple[int, ...]:
        owners = _owners(texts, self.vocabulary.encode("".join(texts)))
        return tuple(_counted(owners, len(texts)))

    def count(self, prompt: Prompt) -> TokenCounts:
        """Count a prompt by segment."""
        totals = dict.fromkeys((*KINDS, "framing"), 0)
        totals["framing"] = PER_ANSWER
        shown = self._offered(prompt)
        totals["schema"] = shown.tokens
        for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
            totals["framing"] += self._per_message + (self._per_result if message["role"] == "tool" else 0)
            if len(pieces) == 1:
                kind, text = pieces[0].kind, pieces[0].text
                returns = kind != "thread" or len(text) <= _OFTEN  # long events hardly do
                totals[kind] += self.count_text(text) if returns else self.vocabulary.count(text)
            elif pieces:
                for piece, tokens in zip(pieces, self.split(tuple(piece.text for piece in pieces)), strict=True):
                    totals[piece.kind] += tokens
            for call in message.get("tool_calls") or ():
                totals["framing"] += self._per_call
                totals[pieces[0].kind] += sum(map(self.count_text, _called(call)))
        return TokenCounts(**totals, spread=shown.spread)

    def _offered(self, prompt: Prompt) -> _Offered:
        return self._offers(*_schemas(prompt)) if prompt.tools or prompt.response_format else _NOTHING

    def _offer(self, *schemas: str) -> _Offered:
        """Count tools and an enforced schema, given as JSON: what all prompts of a function have in common."""
        read = [json.loads(schema) for schema in schemas]
        enforced = [schema for schema in read if schema["type"] != "function"]
        tools = [schema for schema in read if schema["type"] == "function"]
        shown: list[Shown] = [self.tool_rule.tools(tools)] if tools else []
        shown += map(self.tool_rule.schema, enforced)
        least = Written(tuple(text for one in shown for text in one.least.texts), sum(one.least.around for one in shown))
        low, high = self._written(least), sum(self._written(one.least if one.most is None else one.most) for one in shown)
        return _Offered(least, low, max(0, high - low))

    def _written(self, written: Written) -> int:
        return written.around + sum(map(self.count_text, written.texts))

    def _framing(self, runs: Iterable[Run]) -> int:
        """Count the tokens of runs that are framing alone."""
        return sum(sum(self.split(texts)) if texts else len(owners) for owners, texts in runs)

    def tokenize(self, prompt: Prompt) -> Tokenized:
        """Give a prompt as such a model may read it: tools first, as providers' prompt caches have them."""
        import numpy as np

        shown = self._offered(prompt)
        pieces, runs = _runs(prompt, shown.least.texts)
        around = shown.least.around
        # the first of the texts stands for the provider's own words around them
        ids, starts, owned = [np.full(around, _AROUND)], [np.zeros(around, dtype=np.int64)], [np.zeros(around, dtype=np.int64)]
        written, at = [b""], 0
        for owners, texts in runs:
            if not texts:
                ids.append(np.array(owners))
                starts.append(np.full(len(owners), at))
                owned.append(np.full(len(owners), FRAMING))
                continue
            whole = "".join(texts)
            encoded = self.vocabulary.encode(whole)
            ids.append(encoded.ids)
            starts.append(encoded.starts + at)
            owned.append(np.array(owners)[_owners(texts, encoded)])
            written.append(clean(whole).encode())
            at += len(written[-1])
        whole_ids, whole_starts, whole_owned = map(np.concatenate, (ids, starts, owned))
        return Tokenized(whole_ids, whole_starts, whole_owned, b"".join(written), pieces, shown.spread)


_SHORT = 20_000
_OFTEN = 1_000


def _runs(prompt: Prompt, schemas: Sequence[str]) -> tuple[tuple[Piece, ...], list[Run]]:
    """Give a prompt's pieces, and what a model reads, in order. ``Estimate.count`` adds up the same without making it.

    ``schemas`` are the texts as which tools and an enforced schema are shown.
    """
    shown = [Piece("schema", text) for text in schemas]
    runs: list[Run] = [((i,), (piece.text,)) for i, piece in enumerate(shown)]
    first = len(shown)
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        owners = tuple(range(first, first + len(pieces)))
        first += len(pieces)
        content: Run = (owners, tuple(piece.text for piece in pieces))
        answers = message.get("role") == "tool"
        runs += [((_role(message), *[_MESSAGE] * PER_MESSAGE), ())]
        runs += _framed(_RESULT_PARTS, content) if answers else [content] if pieces else []
        for call in message.get("tool_calls") or ():
            runs += _framed(_CALL_PARTS, *((owners[:1], (text,)) for text in _called(call)))
    return (*shown, *(piece for run in prompt.pieces for piece in run)), [*runs, ((_ANSWER,) * PER_ANSWER, ())]


def _schemas(prompt: Prompt) -> list[str]:
    """Write tools and enforced schema as JSON, each by itself."""
    schemas = (*(prompt.tools or ()), *([prompt.response_format] if prompt.response_format else ()))
    return [_COMPACT.encode(schema) for schema in schemas]


def _called(call: Mapping[str, Any]) -> tuple[str, str]:
    return call["function"]["name"], call["function"]["arguments"]


def _framed(texts: tuple[str, ...], *between: Run) -> list[Run]:
    """Put runs between framing texts, and all of it between two tags."""
    made: list[Run] = [((_TAG,), ())]
    for text, run in itertools.zip_longest(texts, between):
        made += [((FRAMING,), (text,)), *([run] if run else [])]
    return [*made, ((_TAG,), ())]


def _role(message: Message) -> int:
    """Make up a number for a role, so that messages of different roles differ."""
    return _MESSAGE - 1 - _ROLES.index(message["role"])


def _owners(texts: Sequence[str], encoded: Encoded) -> Numbers:
    """Say which of some texts, encoded as one, holds the first byte of each token."""
    import numpy as np

    ends = np.cumsum([len(clean(text).encode()) for text in texts])
    return np.searchsorted(ends, encoded.starts, side="right")


def _counted(owners: Numbers, n: int) -> list[int]:
    import numpy as np

    return [int(tokens) for tokens in np.bincount(owners, minlength=n)]
