"""Read an answer that comes as server-sent events, and put it together as if it had come as one.

Events are those of the HTML standard (blocks of lines, ended by an empty one), each with a chunk of OpenAI's as its data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from phrasing.models.responses import BadAnswer, read_json


class Answer:
    """The answer of a stream so far. ``feed`` takes bytes as they come, ``body`` gives what the unstreamed answer would be.

    ``begun`` is the moment of the first piece of a text, of reasoning or of a call; ``None``: there was none.
    """

    def __init__(self) -> None:
        self.begun: float | None = None
        self._rest = b""
        self._raw: list[bytes] = []
        self._chunks = 0
        self._ended = False
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._last: dict[str, Any] = {}
        self._tokens: list[Any] = []
        self._lost: list[str] = []

    def feed(self, data: bytes, moment: float | None) -> None:
        """Take bytes that came at a moment."""
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(line, moment)

    def _line(self, line: bytes, moment: float | None) -> None:
        """Take a line. Each of OpenAI's events has its data on one; comments keep the connection open."""
        if not line.startswith(b"data:"):
            if line and not line.startswith((b":", b"event:", b"id:", b"retry:")):
                self._raw.append(line)
            return
        content = line.removeprefix(b"data:").strip()
        if content == b"[DONE]":
            self._ended = True
        elif content:
            self._chunk(content, moment)

    def _chunk(self, content: bytes, moment: float | None) -> None:
        try:
            chunk, lost = read_json(content)
        except BadAnswer:
            chunk, lost = None, ()
        self._lost += lost
        if not isinstance(chunk, Mapping):
            self._lost.append("event")
            return
        self._chunks += 1
        for name in ("error", "usage"):
            if chunk.get(name) is not None:
                self._last[name] = chunk[name]
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, Mapping):
            return
        if choice.get("finish_reason") is not None:
            self._last["finish_reason"] = choice["finish_reason"]
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list):
            self._tokens += logprobs["content"]
        delta = choice.get("delta")
        if isinstance(delta, Mapping) and self._delta(delta) and self.begun is None:
            self.begun = moment

    def _delta(self, delta: Mapping[str, Any]) -> bool:
        """Add a piece, and tell whether there is anything in it."""
        content, refusal = delta.get("content"), delta.get("refusal")
        if isinstance(content, str):
            self._text.append(content)
        elif isinstance(content, list):
            self._text += [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
        elif content is not None:
            self._lost.append("content")
        if isinstance(refusal, str):
            self._refusal.append(refusal)
        calls = delta.get("tool_calls")
        for place, piece in enumerate(calls if isinstance(calls, list) else ()):
            self._call(piece, place)
        return bool(content or refusal or calls or delta.get("reasoning_content") or delta.get("reasoning"))

    def _call(self, piece: Any, place: int) -> None:
        """Add a piece of a call: its name comes once, its arguments in parts. Some servers leave the number of the call out."""
        if not isinstance(piece, Mapping):
            self._lost.append("tool_calls")
            return
        number = piece.get("index")
        call = self._calls.setdefault(number if isinstance(number, int) else place, {"name": None, "arguments": []})
        function = piece.get("function")
        if isinstance(function, Mapping):
            call["name"] = function.get("name") or call["name"]
            arguments = function.get("arguments")
            if arguments is not None:
                call["arguments"].append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def body(self) -> tuple[Any, tuple[str, ...]]:
        """Give the answer as a chat completion, and name what of it couldn't be read.

        A server that doesn't stream answers with the completion itself. Raises ``BadAnswer`` where the stream broke off.
        """
        if self._rest:
            self.feed(b"\n", None)
        if not self._chunks:
            return read_json(b"\n".join(self._raw))
        if not self._ended and "finish_reason" not in self._last and "error" not in self._last:
            raise BadAnswer("the stream broke off before the answer was whole")
        calls = [
            {"function": {"name": call["name"], "arguments": "".join(call["arguments"])}}
            for _, call in sorted(self._calls.items())
        ]
        message = {"content": "".join(self._text), "refusal": "".join(self._refusal), "tool_calls": calls}
        tokens = {"content": self._tokens}
        choice = {"message": message, "finish_reason": self._last.get("finish_reason"), "logprobs": tokens}
        nothing = not (message["content"] or message["refusal"] or calls or choice["finish_reason"])
        beside = {name: self._last.get(name) for name in ("usage", "error")}
        return {"choices": [] if nothing else [choice], **beside}, tuple(self._lost)
