"""Vocabularies from files: the library's own numbers, at the right bytes, whatever the text. (tiktoken's: ``test_tokens``.)"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import ModelError
from phrasing.tokenizers.vocabulary import FileVocabulary, check_file
from support import tiny_tokenizers as trained
from tokenizers import Tokenizer

TEXTS = st.text(max_size=30) | st.sampled_from(["🚀 the", "a<|im_end|>b", "é\n\n  the fox", "ﬁ ½", "👩‍👩‍👧", " ", ""])


@pytest.fixture(scope="module", params=trained.KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, FileVocabulary]:
    made = trained.KINDS[request.param]()
    return made, FileVocabulary("mine", trained.save(made, tmp_path_factory.mktemp(request.param)))


@given(text=TEXTS)
def test_a_file_gives_the_numbers_of_the_library(kind: tuple[Tokenizer, FileVocabulary], text: str) -> None:
    made, vocabulary = kind
    encoded = vocabulary.encode(text)
    assert list(encoded.ids) == made.encode(text, add_special_tokens=False).ids
    assert len(encoded.ids) == len(encoded.starts) == vocabulary.count(text)


@given(text=TEXTS)
def test_tokens_begin_at_characters_in_order(kind: tuple[Tokenizer, FileVocabulary], text: str) -> None:
    starts = [int(start) for start in kind[1].encode(text).starts]
    assert starts == sorted(starts)
    for start in starts:
        assert (text.encode()[:start]).decode() + text.encode()[start:].decode() == text


@given(text=TEXTS)
def test_bytes_of_a_byte_level_vocabulary_are_those_of_the_text(byte_level: tuple[Tokenizer, FileVocabulary], text: str) -> None:
    made, vocabulary = byte_level
    encoded = vocabulary.encode(text)
    lengths = [len(token) for token in made.encode(text, add_special_tokens=False).tokens]  # a letter stands for each byte
    at = 0
    for start, length in zip(encoded.starts, lengths, strict=True):
        # at its byte, or at the beginning of the character which that byte is in
        assert start <= at
        assert len(text.encode()[start:at].decode("utf-8", "ignore")) == 0
        at += length
    assert at == len(text.encode())


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, FileVocabulary]:
    made = trained.byte_level()
    return made, FileVocabulary("mine", trained.save(made, tmp_path_factory.mktemp("bytes")))


def test_a_blank_belongs_to_the_token_that_holds_it(byte_level: tuple[Tokenizer, FileVocabulary]) -> None:
    assert 2 in byte_level[1].encode("é the").starts  # trimmed offsets would say 3


def test_special_tokens_in_a_text_are_special(byte_level: tuple[Tokenizer, FileVocabulary]) -> None:
    made, vocabulary = byte_level
    assert made.token_to_id("<|im_end|>") in vocabulary.encode("the<|im_end|>fox").ids
    assert vocabulary.count("<|im_end|>") == 1


def test_half_a_surrogate_pair_counts_as_a_question_mark(byte_level: tuple[Tokenizer, FileVocabulary]) -> None:
    assert list(byte_level[1].encode("a\ud800é").ids) == list(byte_level[1].encode("a?é").ids)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"No such file or directory; wanted a model's tokenizer\.json"),
        ("{", "not JSON"),
        ("[]", "holds no vocabulary under 'model'"),
        ('{"model": {"type": "New"}}', "damaged, or of a newer kind"),
    ],
    ids=["missing", "cut", "other", "newer"],
)
def test_a_missing_or_damaged_file_is_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=rf"{path}: tokenizer 'mine': {said}") as caught:
        FileVocabulary("mine", path)
    assert "\n" not in str(caught.value)


def test_a_file_is_checked_without_loading_it(byte_level: tuple[Tokenizer, FileVocabulary], tmp_path: Path) -> None:
    check_file("mine", trained.save(byte_level[0], tmp_path))
    with pytest.raises(ModelError, match=r"nothing is downloaded"):
        check_file("mine", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["é ", "the fox is done\n"])
def test_five_megabytes_of_anything_are_counted(byte_level: tuple[Tokenizer, FileVocabulary], unit: str) -> None:
    text = unit * (5_000_000 // len(unit.encode()))
    encoded = byte_level[1].encode(text + "x")
    per_unit = byte_level[1].count(unit * 1000) / 1000
    assert len(encoded.ids) == byte_level[1].count(text + "x") == pytest.approx(per_unit * len(text) / len(unit), rel=0.01)
    assert encoded.starts[-1] == len(text.encode())
    assert all(a <= b for a, b in pairwise(encoded.starts[::1000]))
