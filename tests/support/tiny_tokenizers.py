"""Small tokenizers of Hugging Face's library, trained on a few lines, as ``tokenizer.json`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

LINES = ['<deploy_backend tag="v1">the quick brown fox is done</deploy_backend>\n\n', "éàü 🚀 ありがとう {}[] the the"]
SPECIAL = ["<|im_start|>", "<|im_end|>"]


def byte_level() -> Tokenizer:
    """Like those of GPT-2 and Qwen: a token may end within a character."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(LINES * 9, _quiet(trainers.BpeTrainer, vocab_size=360, initial_alphabet=alphabet))
    made.add_special_tokens(SPECIAL)
    return made


def metaspace() -> Tokenizer:
    """Like those of T5: a token begins with its blank, and a text is normalized first."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.train_from_iterator(
        LINES * 9, _quiet(trainers.UnigramTrainer, vocab_size=120, unk_token="<unk>", special_tokens=["<unk>", *SPECIAL])
    )
    return made


def byte_fallback() -> Tokenizer:
    """Like those of Llama 2: unknown characters are written byte by byte."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    hexadecimal = [f"<0x{byte:02X}>" for byte in range(256)]
    made.train_from_iterator(LINES[:1] * 9, _quiet(trainers.BpeTrainer, vocab_size=400, special_tokens=["<unk>", *hexadecimal]))
    made.add_special_tokens(SPECIAL)
    return made


def word_piece() -> Tokenizer:
    """Like those of BERT: blanks are in no token."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(LINES * 9, _quiet(trainers.WordPieceTrainer, vocab_size=200, special_tokens=["[UNK]", *SPECIAL]))
    return made


KINDS = {"byte_level": byte_level, "metaspace": metaspace, "byte_fallback": byte_fallback, "word_piece": word_piece}


def _quiet(trainer: Any, **options: Any) -> Any:
    return trainer(show_progress=False, **options)


def save(made: Tokenizer, folder: Path) -> Path:
    """Write it as ``tokenizer.json``, with the length limits that such files often hold."""
    made.enable_truncation(4)
    made.enable_padding(length=8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tokenizer.json"
    made.save(str(path))
    made.no_truncation()
    made.no_padding()
    return path
