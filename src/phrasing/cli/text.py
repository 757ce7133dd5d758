"""A prompt or a trial in full, as text for reading: what is sent, the answer, what was read from it, what it was worth.

What others wrote is shown so that it does nothing to a terminal (``visible``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from phrasing.records import Result
from phrasing.scores import public
from phrasing.types import MARKS, Completion, Logprobs, Prompt, Score

Block = list[tuple[str, str]]
"""A line or more for reading: texts, each with its kind: ``heading``, a segment of the prompt, or nothing."""


CONTROLS = {i: 0x2400 + i for i in range(32) if chr(i) not in "\n\t"} | {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
"""Control characters to the signs that stand for them."""


SEGMENTS = {
    "instructions": "cyan",
    "schema": "magenta",
    "examples": "yellow",
    "thread": "green",
    "question": "blue",
    "framing": "dim",
}
"""The colour of each segment of a prompt."""


def visible(content: str) -> str:
    """Show control characters as signs: what a model or a dataset wrote can move no cursor and colour nothing."""
    return content.translate(CONTROLS)


def plain(blocks: Iterable[Block]) -> str:
    """Write blocks as one text, without their kinds."""
    return "\n".join("".join(content for content, _ in block) for block in blocks)


def prompt_text(prompt: Prompt) -> list[Block]:
    """Write a prompt for reading: a heading a role, then the content by segment; tool calls and tools as JSON."""
    blocks: list[Block] = []
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        blocks.append(heading(message["role"], message.get("tool_call_id", "")))
        if message.get("content"):
            blocks.append([(piece.text, piece.kind) for piece in pieces])
        for call in message.get("tool_calls", ()):
            line = f"{call['id']}: {call['function']['name']}({call['function']['arguments']})"
            blocks.append([(line, pieces[0].kind)])
    for key in ("tools", "response_format"):
        if getattr(prompt, key):
            blocks += [heading(key), [(json.dumps(getattr(prompt, key), indent=1, ensure_ascii=False), "schema")]]
    return blocks


def trial_text(result: Result, sent: Prompt) -> list[Block]:
    """Write a trial for reading: what was sent, what came back, what was read from it, what it was worth."""
    lines = []
    if result.error:
        lines.append(result.why)
    if result.completion:
        lines.append(result.completion.text)
        lines += [f"{call.name}({call.arguments})" for call in result.completion.tool_calls]
        lines.append(_usage(result.completion))
        if result.completion.logprobs:
            lines.append(_likely(result.completion.logprobs))
    blocks = [
        [(result.trial, "")],
        *prompt_text(sent),
        heading("answer", *([f"from {result.api_base}"] if result.api_base else [])),
        *([(line, "")] for line in lines),
    ]
    if result.parsed:
        blocks += [heading("parsed"), [(result.parsed.model_dump_json(exclude_none=True), "")]]
        blocks += [[(f"{mark}: {MARKS[mark]}", "")] for mark in result.parsed.marks if mark in MARKS]
    return blocks + scores_text(result)


def scores_text(result: Result) -> list[Block]:
    """Write what a trial was worth: a line a score."""
    return [[(_score(name, score), "")] for name, score in result.scores.items()]


def usage_text(result: Result) -> list[Block]:
    """Write what the answers to a trial took."""
    return [[(_usage(result.completion), "")]] if result.completion else []


def _usage(done: Completion) -> str:
    usage = ", ".join(f"{key} {value}" for key, value in done.usage if value is not None)
    return f"({done.finish_reason}; tokens: {usage}; {done.latency or 0:.2f} s)"


def _likely(tokens: Logprobs) -> str:
    """Say how sure a model was of its answer: on the whole, by token, and where it was least."""
    total = sum(value for _, value in tokens)
    least = min(tokens, key=lambda token: token[1])
    mean = f"geometric mean of {len(tokens)} tokens {math.exp(total / len(tokens)):.3f}"
    return f"(probability: {mean}; least, of {least[0]!r}, {math.exp(least[1]):.3f}; of the whole answer {math.exp(total):.3g})"


def _score(stored: str, score: Score) -> str:
    return f"{public(stored)}: {'–' if score.value is None else f'{score.value:g}'}  {score.reason}".rstrip()


def heading(*words: str) -> Block:
    """Write a line that heads others."""
    return [(f"── {' '.join(filter(None, words))} ──", "heading")]
