"""Tokenizers by name: a vocabulary, a file, or an embedded model; in a suite and on the command line."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.errors import ModelError, SuiteError
from phrasing.models.provider import open_tokenizers
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.types import Completion, Piece, Prompt, Request
from support import tiny_tokenizers as trained
from support.small_projects import cache, plan_of, project

__all__ = ["cache"]

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant:"
HELLO = Prompt(messages=({"role": "user", "content": "the fox"},), pieces=((Piece("thread", "the fox"),),))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return trained.save(trained.byte_level(), folder)


def test_each_name_is_opened_once_in_its_order(model: Path) -> None:
    with ExitStack() as stack:
        opened = open_tokenizers(["o200k_base", model.name, "o200k_base"], stack, model.parent)
    assert [(one.name, one.exact) for one in opened] == [("o200k_base", False), ("tokenizer.json", True)]


def test_what_is_exact_is_the_whole_text_as_the_template_writes_it(model: Path) -> None:
    found = open_tokenizer(str(model)).count(HELLO)
    vocabulary = trained.byte_level()
    whole = vocabulary.encode("<|im_start|>user\nthe fox<|im_end|>\n<|im_start|>assistant:", add_special_tokens=False)
    assert (found.total, found.thread) == (len(whole.ids), 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("o200k", r"there are: cl100k_base, o200k_base; or the path of a tokenizer\.json; or --tokenizer local/NAME"),
        ("gone/tokenizer.json", r"gone/tokenizer\.json: tokenizer 'gone/tokenizer\.json': No such file .*nothing is downloaded"),
        ("local/gpt", r"local model 'gpt' not found; there are: .*; or a path that ends in \.gguf"),
        ("local/gone.gguf", r"model 'local/gone\.gguf': no such file: gone\.gguf"),
        ("openai/gpt-4.1-mini", r"tokenizer 'openai/gpt-4\.1-mini': this model doesn't show how it counts; name a vocabulary"),
    ],
)
def test_what_is_not_there_is_named_with_the_choices(name: str, said: str) -> None:
    with ExitStack() as stack, pytest.raises(ModelError, match=said):
        open_tokenizers([name], stack)


def test_a_suite_names_a_file_of_its_project(tmp_path: Path, model: Path) -> None:
    (tmp_path / "vocabulary").symlink_to(model.parent)
    file = project(tmp_path, tokenizer="vocabulary/tokenizer.json")

    async def complete(request: Request) -> Completion:
        return Completion(text='{"intent": "finish"}')

    run = phrasing.run(file, complete=complete)
    assert run.suite.tokenizer == "vocabulary/tokenizer.json"
    plan = phrasing.resolve(file)
    trial = plan.trials[0]
    assert run.results[trial.id].tokens == open_tokenizer(str(model)).count(plan.prompt(trial))
    assert plan.tokenizer.exact


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("local/qwen2.5-coder-0.5b", "counting here must not need a model; .* --tokenizer local/qwen2.5-coder-0.5b"),
        ("gone/tokenizer.json", r"tokenizer 'gone/tokenizer\.json': No such file or directory"),
    ],
)
def test_a_suite_is_refused_a_tokenizer_that_it_cannot_have(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SuiteError, match=rf"mail\.yaml:\d+: .*{said}"):
        plan_of(tmp_path, tokenizer=name)


def test_a_tokenizer_is_named_on_the_command_line(tmp_path: Path, model: Path) -> None:
    file = project(tmp_path)
    done = CliRunner().invoke(main, ["tokens", str(file.path), "--tokenizer", str(model), "--tokenizer", "cl100k_base"])
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "exact: vocabulary and chat template are the model's own" in told
    assert "cl100k_base: an estimate" in told
