"""A prompt or a trial in full, as text for reading: what is sent, the answer, what was read from it, what it was worth."""

from __future__ import annotations

import json
from collections.abc import Iterable

from phrasing.records import Result
from phrasing.scores import public
from phrasing.types import MARKS, Prompt, Score

Block = list[tuple[str, str]]
"""A line or more for reading: texts, each with its kind: ``heading``, a segment of the prompt, or nothing."""


def plain(blocks: Iterable[Block]) -> str:
    """Write blocks as one text, without their kinds."""
    return "\n".join("".join(content for content, _ in block) for block in blocks)


def prompt_text(prompt: Prompt) -> list[Block]:
    """Write a prompt for reading: a heading a role, then the content by segment; tool calls and tools as JSON."""
    blocks: list[Block] = []
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        blocks.append(_heading(message["role"], message.get("tool_call_id", "")))
        if message.get("content"):
            blocks.append([(piece.text, piece.kind) for piece in pieces])
        for call in message.get("tool_calls", ()):
            line = f"{call['id']}: {call['function']['name']}({call['function']['arguments']})"
            blocks.append([(line, pieces[0].kind)])
    for key in ("tools", "response_format"):
        if getattr(prompt, key):
            blocks += [_heading(key), [(json.dumps(getattr(prompt, key), indent=1, ensure_ascii=False), "schema")]]
    return blocks


def trial_text(result: Result, sent: Prompt) -> list[Block]:
    """Write a trial for reading: what was sent, what came back, what was read from it, what it was worth."""
    lines = []
    if result.error:
        lines.append(result.why)
    if result.completion:
        lines.append(result.completion.text)
        lines += [f"{call.name}({call.arguments})" for call in result.completion.tool_calls]
        usage = ", ".join(f"{key} {value}" for key, value in result.completion.usage if value is not None)
        lines.append(f"({result.completion.finish_reason}; tokens: {usage}; {result.completion.latency or 0:.2f} s)")
    blocks = [
        [(result.trial, "")],
        *prompt_text(sent),
        _heading("answer", *([f"from {result.api_base}"] if result.api_base else [])),
        *([(line, "")] for line in lines),
    ]
    if result.parsed:
        blocks += [_heading("parsed"), [(result.parsed.model_dump_json(exclude_none=True), "")]]
        blocks += [[(f"{mark}: {MARKS[mark]}", "")] for mark in result.parsed.marks if mark in MARKS]
    return blocks + [[(_score(name, score), "")] for name, score in result.scores.items()]


def _score(stored: str, score: Score) -> str:
    return f"{public(stored)}: {'–' if score.value is None else f'{score.value:g}'}  {score.reason}".rstrip()


def _heading(*words: str) -> Block:
    return [(f"── {' '.join(filter(None, words))} ──", "heading")]
