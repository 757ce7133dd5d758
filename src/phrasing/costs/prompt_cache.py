"""What a provider's prompt cache can keep: how much of a prompt the one before it in its conversation began with.

A provider keeps what it made of a prompt for some minutes, and charges less for a prompt that begins with the same tokens, up to
the first that differs. So a format that only adds to what it wrote before is cheap to go on with, and one that writes its past
anew is not. Prompts are compared as they are sent, in the order in which the model reads them: tools, then messages.

Conversations are the groups of a dataset. The prompt before a case's is that of the case in its group whose thread is the longest
beginning of its own: cases of a group that only share a subject, or fork, don't follow one another, whatever their turns say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING

from phrasing.analysis.usage import RANGES
from phrasing.costs import estimate
from phrasing.costs.estimate import Entry, Kind
from phrasing.costs.tables import Record, Table, View
from phrasing.plan.resolve import Plan
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Suite
from phrasing.tokenizers.tokenizer import Tokenized, Tokenizer
from phrasing.tokenizers.vocabulary import clean
from phrasing.types import Case, Thread, canonical_json, write_axes

if TYPE_CHECKING:
    from phrasing.tokenizers.vocabulary import Numbers

Break = tuple[str, str]
"""Where a prompt stops being the beginning of the next one: the segment (``end``: it doesn't), and the line there."""

SHOWN = 32
"""How many characters of a line are shown."""


_MOST_NAMED = 8
"""How many variants are named in a line."""


@dataclass(frozen=True)
class Sent:
    """A prompt and what the one before it in its conversation has of it, in tokens; ``after`` of them stand after its thread.

    ``kept`` is the exact common beginning of both, ``reach`` what it would be if nothing of what was written before had changed:
    all that stood before the end of the thread. Both are ``None``, and ``broken`` is, where no prompt came before. Where tools
    count as a range, ``spread`` is how many tokens more they may be: they stand first, so what is kept of a prompt has them too.
    """

    tokens: int
    after: int
    kept: int | None = None
    reach: int | None = None
    broken: Break | None = None
    spread: int = 0


@dataclass(frozen=True)
class Prefixes:
    """The prompts of a variant. ``common`` is what all of them begin with; ``None``: there is only one conversation."""

    prompts: tuple[Sent, ...]
    common: int | None

    @property
    def most(self) -> Prefixes:
        """The same at the upper ends of ranges; itself where there are none."""
        spread = max((sent.spread for sent in self.prompts), default=0)
        return self if not spread else Prefixes(tuple(map(_most, self.prompts)), self.common and self.common + spread)

    @property
    def later(self) -> list[Sent]:
        """The prompts that another one came before."""
        return [sent for sent in self.prompts if sent.kept is not None]


def _most(sent: Sent) -> Sent:
    kept, reach = (None if tokens is None else tokens + sent.spread for tokens in (sent.kept, sent.reach))
    return replace(sent, tokens=sent.tokens + sent.spread, kept=kept, reach=reach, spread=0)


def without_samples(file: SuiteFile) -> SuiteFile:
    """Give a suite without samples: what a sample leaves out of a conversation would look like a longer step."""
    agents = [agent.model_copy(update={"sample": None}) for agent in file.suite.agents]
    return replace(file, suite=Suite.model_validate({**dict(file.suite), "agents": agents}))


def measure_prefixes(resolved: Plan, tokenizer: Tokenizer) -> dict[Kind, Prefixes]:
    """Hold every prompt of a plan against the one before it in its conversation, by function, edit, format and output."""
    prompts: dict[Kind, list[Sent]] = {}
    common: dict[Kind, Numbers] = {}
    conversations: Counter[Kind] = Counter()
    for _, talk in groupby(
        estimate.entries(resolved, []),
        lambda listed: (listed[0].dataset, resolved.group_of(listed[0].dataset, listed[0].name)[1]),
    ):
        variants: dict[Kind, list[Entry]] = {}
        for listed in talk:
            for entry in listed:
                variants.setdefault(entry.kind, []).append(entry)
        for kind, entries in variants.items():
            read = {entry.name: tokenizer.tokenize(entry.prompt) for entry in entries}
            before = earlier(entry.case for entry in entries if entry.case)
            sent = [follow(read[before[case]], prompt) if case in before else _first(prompt) for case, prompt in read.items()]
            prompts.setdefault(kind, []).extend(sent)
            for prompt in read.values():
                same = common.get(kind, prompt.ids)
                common[kind] = same[: shared(same, prompt.ids)]
            conversations[kind] += 1
    return {kind: Prefixes(tuple(sent), len(common[kind]) if conversations[kind] > 1 else None) for kind, sent in prompts.items()}


# ---------------------------------------------------------------------------------------------- conversations


def earlier(cases: Iterable[Case]) -> dict[str, str]:
    """Say which case's prompt comes before each: of those in its group, that whose thread is the longest beginning of its own."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        if case.group is not None:
            groups.setdefault(case.group, []).append(case)
    found = {}
    for members in groups.values():
        beginnings = {case.id: list(_beginnings(case.thread)) for case in members}
        whole: dict[bytes, str] = {}
        for name, digests in beginnings.items():
            whole.setdefault(digests[-1], name)
        for name, digests in beginnings.items():
            previous = next((whole[digest] for digest in reversed(digests[:-1]) if digest in whole), None)
            if previous is not None:
                found[name] = previous
    return found


def _beginnings(thread: Thread) -> Iterator[bytes]:
    """Give a digest of the first event, of the first two, and so on."""
    hashed = hashlib.sha256()
    for event in thread.events:
        hashed.update(canonical_json([event.type, event.data]).encode("utf-8", "surrogatepass"))
        yield hashed.digest()


# ---------------------------------------------------------------------------------------------- two prompts


def shared(one: Numbers, other: Numbers) -> int:
    """Count the tokens that both begin with."""
    import numpy as np

    n = min(len(one), len(other))
    different = np.flatnonzero(one[:n] != other[:n])
    return int(different[0]) if len(different) else n


def follow(before: Tokenized, prompt: Tokenized) -> Sent:
    """Hold a prompt against the one before it in its conversation."""
    kept = shared(before.ids, prompt.ids)
    end, after = _thread_end(before)
    piece, spot = _break(before, prompt, kept)
    # a thread that is kept whole can lack a token that it shares with what follows, or have more where that begins like an event
    reach = max(kept, end) if piece is not None and piece < after else kept
    # where framing has no text, messages run together
    message = int(before.starts[(before.ids < 0) & (before.starts <= spot)].max(initial=0))
    broken = ("end", "") if piece is None else (before.pieces[piece].kind, _line(before.text[message:], spot - message))
    return replace(_first(prompt), kept=kept, reach=reach, broken=broken)


def _first(prompt: Tokenized) -> Sent:
    return Sent(len(prompt.ids), len(prompt.ids) - _thread_end(prompt)[0], spread=prompt.spread)


def _thread_end(read: Tokenized) -> tuple[int, int]:
    """Count the tokens up to the end of the thread, and say which piece follows; where a prompt shows it twice, of the first."""
    import numpy as np

    of_thread = np.array([*(piece.kind == "thread" for piece in read.pieces), False])  # framing's owner is the last
    inside = of_thread[read.owners]
    if not inside.any():
        return 0, 0
    others = np.flatnonzero(~inside & (read.owners >= 0))
    others = others[others > inside.argmax()]
    last = np.flatnonzero(inside[: others[0] if len(others) else None])[-1]
    return int(last) + 1, int(read.owners[others[0]]) if len(others) else len(read.pieces)


def _break(before: Tokenized, prompt: Tokenized, at: int) -> tuple[int | None, int]:
    """Say in which piece, and at which byte, a prompt goes on otherwise than the next, whose first ``at`` tokens it shares.

    No piece: it doesn't, or only in the framing at its end.
    """
    if at == len(before.ids):
        return None, len(before.text)
    spot = int(before.starts[at])
    if before.ids[at] >= 0:  # texts may agree a little longer than tokens do
        pairs = enumerate(zip(before.text[spot:], prompt.text[spot:], strict=False), spot)
        spot = next((i for i, (one, other) in pairs if one != other), min(len(before.text), len(prompt.text)))
        at = int(before.starts.searchsorted(spot, side="right")) - 1
    return _holder(before, at, spot), spot


def _holder(read: Tokenized, at: int, spot: int) -> int | None:
    """Say which piece holds a byte of a token, or comes next where that is framing.

    A token may hold the end of a piece and the beginning of the next.
    """
    owners: list[int] = [owner for owner in dict.fromkeys(read.owners[at:].tolist()) if owner >= 0][:2]
    if len(owners) == 2 and read.owners[at] == owners[0] != read.owners[at + 1]:
        start = int(read.starts[at])
        token = read.text[start : read.starts[at + 1]]
        one, other = (clean(read.pieces[owner].text).encode() for owner in owners)
        cuts = (n for n in range(len(token), 0, -1) if one.endswith(token[:n]) and other.startswith(token[n:]))
        return owners[spot - start >= next(cuts, len(token))]
    return owners[0] if owners else None


def _line(text: bytes, spot: int) -> str:
    """Give the line that holds a byte, or that of the next that isn't white space; of a long line, what begins there."""
    spot += len(text[spot:]) - len(text[spot:].lstrip())
    while 0 < spot < len(text) and text[spot] & 0xC0 == 0x80:  # within a character
        spot -= 1
    start, stop = text.rfind(b"\n", 0, spot) + 1, text.find(b"\n", spot)
    before, rest = (text[a:b].decode("utf-8", "replace") for a, b in ((start, spot), (spot, stop if stop >= 0 else None)))
    shown = (before + rest).strip()
    if len(shown) > SHOWN and before.strip():
        shown = "…" + rest.strip()
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


# ---------------------------------------------------------------------------------------------- the view

COLUMNS = ("pairs", "prompt", "kept", "share", "rewritten", "after", "common")

NOTHING = (
    "No case continues another one: none of its group has a thread that is the beginning of its own. Cut a conversation at "
    "several turns, and give these cases one group, to see what a prompt cache can keep."
)

LEGEND = (
    "Means over the prompts that continue another one of their conversation (pairs), in tokens. kept: both begin with the same; "
    "rewritten: it stood before the thread's end, and has changed; after: it stands after the thread, and is read anew each "
    "time; common: all prompts of the variant begin with the same. Samples are left out of account."
)


def means(found: Prefixes) -> dict[str, float | None]:
    """Give a variant's figures by ``COLUMNS``: means over the prompts that another one came before, in tokens; ``share`` is of 1.

    ``rewritten`` is what stood before the end of the thread and was not kept, ``after`` what stands after the thread.
    """
    later = found.later
    row: dict[str, float | None] = {**dict.fromkeys(COLUMNS), "pairs": len(later), "common": found.common}
    if later:
        prompt, after = fmean(sent.tokens for sent in later), fmean(sent.after for sent in later)
        kept, reach = (fmean(getattr(sent, name) for sent in later) for name in ("kept", "reach"))
        row |= {"prompt": prompt, "kept": kept, "share": kept / prompt, "rewritten": reach - kept, "after": after}
    return row


def cache_view(resolved: Plan, tokenizers: Sequence[Tokenizer], label: Callable[[str], str]) -> View:
    """Show what a prompt cache can keep: a row a variant, and where prompts stop being the beginning of the next one."""
    made = View([])
    ranges = False
    for tokenizer in tokenizers:
        variants = {write_axes(kind): found for kind, found in measure_prefixes(resolved, tokenizer).items()}
        for variant, found in variants.items():
            record: Record = {**estimate.axes(variant), "tokenizer": tokenizer.name, "cases": len(found.prompts), **means(found)}
            spread = fmean(sent.spread for sent in found.prompts)
            made.records.append({**record, "spread": spread})
            ranges |= spread > 0
        if not any(found.later for found in variants.values()):
            return View([], [NOTHING], made.records)
        rows = [(label(variant), *cache_cells(found)) for variant, found in variants.items()]
        made.tables.append(Table(("variant", *COLUMNS), rows, tokenizer.name if len(tokenizers) > 1 else ""))
        told = breaks({label(variant): found for variant, found in variants.items()})
        made.notes.extend(line for line in told if line not in made.notes)
    return replace(made, notes=[*made.notes, LEGEND, *([RANGES] if ranges else [])])


def cache_cells(found: Prefixes) -> tuple[str, ...]:
    """Write ``means`` as text, both ends where they are ranges."""
    least, most = (
        ["–" if v is None else f"{v:.0%}" if k == "share" else f"{v:,.0f}" for k, v in means(one).items()]
        for one in (found, found.most)
    )
    return tuple("–".join(dict.fromkeys(ends)) for ends in zip(least, most, strict=True))


def breaks(variants: Mapping[str, Prefixes]) -> list[str]:
    """Say where the prompts of variants stop being the beginning of the next one: a line for all that do so alike."""
    alike: dict[str, list[str]] = {}
    for name, found in variants.items():
        if found.later:
            alike.setdefault(_told(found), []).append(name)
    return [f"{_named(names, len(variants))}: {told}." for told, names in alike.items()]


def _named(names: Sequence[str], variants: int) -> str:
    if len(names) == variants > 1:
        return "Every variant"
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} of {variants} variants"


def _told(found: Prefixes) -> str:
    torn = [sent for sent in found.later if sent.kept != sent.reach]
    places = Counter(sent.broken for sent in torn or found.later if sent.broken)
    segment = _commonest(Counter(segment for segment, _ in places.elements()))
    line = _commonest(Counter({line: n for (kind, line), n in places.items() if kind == segment}))
    if not torn:
        return "keeps the thread whole" + (f"; what follows it is the {segment}, `{line}`" if line else "")
    often = "always" if len(torn) == len(found.later) else f"{len(torn)} of {len(found.later)} times"
    return f"{often} rewrites the past, most often in the {segment} at `{line}`"


def _commonest(counted: Counter[str]) -> str:
    return min(counted, key=lambda name: (-counted[name], name))
