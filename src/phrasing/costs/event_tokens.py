"""Which part of a rendering belongs to which event, for any format.

An event's part begins where the rendering of the events before it stops being a beginning of the whole. So a closing bracket
belongs to the last event, and a comma to the event after it. Of messages each belongs to the event with which it took its final
form. A format that writes its past anew with each event (one that counts its rows, say) leaves earlier events without a part, and
so does one that can't render a beginning alone (that shows nothing of it, say).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phrasing.costs.token_totals import Counted, EventTokens
from phrasing.errors import FormatError
from phrasing.prompts.formats import Format, render
from phrasing.tokenizers.tokenizer import Tokenizer, characters, offered
from phrasing.types import Message, Piece, Prompt, Rendering, Thread

Borders = tuple[tuple[str, int], ...]
"""The type of each event, and where its part ends: in characters of a text, or in messages."""


def borders(format: Format, thread: Thread, rendering: Rendering) -> Borders:
    """Find where the part of each event ends in the rendering of a thread. Renders every beginning of the thread once more."""
    ends = []
    reached = 0
    for n, event in enumerate(thread.events[:-1], start=1):
        reached = max(reached, _alike(_beginning(format, thread, n), rendering))
        ends.append((event.type, reached))
    return (*ends, (thread.events[-1].type, len(rendering)))


def _beginning(format: Format, thread: Thread, n: int) -> Rendering:
    """Render the first events of a thread; nobody asked for that, so a format needn't be able to."""
    try:
        return render(format, Thread.model_construct(events=thread.events[:n]))
    except FormatError:
        return ""


def _alike(before: Rendering, whole: Rendering) -> int:
    """Count the characters, or the messages, with which both begin."""
    if isinstance(before, str) and isinstance(whole, str):
        return _alike_text(before, whole)
    if isinstance(before, str) or isinstance(whole, str):
        return 0
    return _alike_messages(before, whole)


def _alike_messages(before: Sequence[Message], whole: Sequence[Message]) -> int:
    return next((i for i, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), min(len(before), len(whole)))


def _alike_text(before: str, whole: str) -> int:
    if whole.startswith(before):
        return len(before)
    low, high = 0, min(len(before), len(whole))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if whole.startswith(before[:middle]) else (low, middle - 1)
    return low


def mark_events(prompt: Prompt, rendering: Rendering, found: Borders) -> Prompt:
    """Say of each part of a prompt's thread which event it belongs to. Texts don't change: nor do tokens."""
    message = 0
    marked = []
    for pieces in prompt.pieces:
        made: list[Piece] = []
        for piece in pieces:
            if piece.kind != "thread":
                made.append(piece)
            elif isinstance(rendering, str):
                starts = [0, *(end for _, end in found)]
                made += [Piece("thread", piece.text[a:b], kind) for a, (kind, b) in zip(starts, found, strict=False)]
            else:
                made.append(replace(piece, event=next(kind for kind, end in found if end > message)))
                message += 1
        marked.append(tuple(made))
    return replace(prompt, pieces=tuple(marked))


def count_events(tokenizer: Tokenizer, prompt: Prompt, rendering: Rendering, found: Borders) -> Counted:
    """Count a prompt by segment, and its thread by type of event. A prompt that shows its thread twice pays for it twice."""
    read = tokenizer.tokenize(mark_events(prompt, rendering, found))
    events: dict[str, EventTokens] = {}
    starts = [0, *(end for _, end in found)]
    for start, (kind, end) in zip(starts, found, strict=False):
        events[kind] = events.get(kind, EventTokens()) + EventTokens(1, int(start == end), 0)
    for piece, tokens in zip([*read.pieces, None], read.per_piece, strict=True):
        if piece and piece.event:
            events[piece.event] += EventTokens(0, 0, tokens)
    return Counted(read.counts, characters(prompt), events, offered(prompt) if read.spread else "")
