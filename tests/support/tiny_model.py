"""A GGUF file with a real model's vocabulary and chat template, and one layer of made-up weights.

llama.cpp reads prompts with it just as with the real one, some hundred times as fast. Whatever it reads it answers with the same
token: an opening brace, which any grammar for JSON permits, so enforcing one costs nothing.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_WIDTH = 32
_ALIGNMENT = 32
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_SHAPE = {"block_count": 1, "embedding_length": _WIDTH, "feed_forward_length": _WIDTH}
_SHAPE |= {"attention.head_count": 1, "attention.head_count_kv": 1}


def shrink(real: Path, tiny: Path, *, architecture: str = "qwen2") -> Path:
    """Write ``tiny`` from the metadata of ``real``. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""
    with real.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        fields = dict(_fields(content))
    tokens = list(_strings(fields["tokenizer.ggml.tokens"]))
    for name, number in _SHAPE.items():
        fields[f"{architecture}.{name}"] = struct.pack("<II", _UINT32, number)
    written, infos, offset = [], b"", 0
    tensors = dict(_tensors(len(tokens), tokens.index(b"{")))
    for name, tensor in tensors.items():
        kind = {"float32": 0, "float16": 1}[tensor.dtype.name]
        infos += _string(name) + struct.pack(f"<I{tensor.ndim}QIQ", tensor.ndim, *reversed(tensor.shape), kind, offset)
        written.append(_padded(tensor.tobytes()))
        offset += len(written[-1])
    described = b"".join(_string(name) + value for name, value in fields.items())
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(fields))
    tiny.write_bytes(b"".join((_padded(header + described + infos), *written)))
    return tiny


def _tensors(tokens: int, answer: int) -> Iterator[tuple[str, np.ndarray]]:
    """What is read doesn't matter: every token is the same vector, no layer changes it, and one token likes it."""
    output = np.zeros((tokens, _WIDTH), np.float16)
    output[answer] = 1
    yield "token_embd.weight", np.ones((tokens, _WIDTH), np.float16)
    yield "output.weight", output
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        yield f"{name}.weight", np.ones(_WIDTH, np.float32)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        yield f"blk.0.{name}.weight", np.zeros((_WIDTH, _WIDTH), np.float16)
    for name in ("attn_q", "attn_k", "attn_v"):
        yield f"blk.0.{name}.bias", np.zeros(_WIDTH, np.float32)


def _fields(content: mmap.mmap) -> Iterator[tuple[str, bytes]]:
    """Give the metadata by name: each with its type, as it lies in the file."""
    (number,) = struct.unpack_from("<Q", content, 16)
    at = 24
    for _ in range(number):
        (length,) = struct.unpack_from("<Q", content, at)
        name = content[at + 8 : at + 8 + length].decode()
        begin = at + 8 + length
        at = _end(content, begin + 4, struct.unpack_from("<I", content, begin)[0])
        yield name, content[begin:at]


def _end(content: mmap.mmap, at: int, kind: int) -> int:
    if kind == _STRING:
        return at + 8 + int(struct.unpack_from("<Q", content, at)[0])
    if kind != _ARRAY:
        return at + _SIZES[kind]
    kind, number = struct.unpack_from("<IQ", content, at)
    at += 12
    if kind in _SIZES:
        return at + number * _SIZES[kind]
    for _ in range(number):
        at = _end(content, at, kind)
    return at


def _strings(field: bytes) -> Iterator[bytes]:
    _, _, number = struct.unpack_from("<IIQ", field)
    at = 16
    for _ in range(number):
        (length,) = struct.unpack_from("<Q", field, at)
        yield field[at + 8 : at + 8 + length]
        at += 8 + length


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _ALIGNMENT)
