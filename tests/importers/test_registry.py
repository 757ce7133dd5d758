from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phrasing.errors import LogError
from phrasing.importers import registry

CHAT_BOT = """
from phrasing.importers.conversation import Conversation, Heard, Turn

TITLE = "a chat bot's lines"


def fits(record):
    return isinstance(record, dict) and "said" in record


def read(record):
    yield Conversation((Heard(record["heard"]), Turn(record["said"])))
"""


def install(folder: Path, **modules: str) -> None:
    """Put a distribution in a folder of Python's path, whose modules are importers."""
    info = folder / "chat_bot-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chat-bot\nVersion: 1.0\n")
    points = [f"{name} = chat_bot_{name}" for name in modules]
    (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *points, ""]))
    for name, text in modules.items():
        (folder / f"chat_bot_{name}.py").write_text(text)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where that folder is on Python's path, too: what is installed is looked up once in a process."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    script = "import sys; from phrasing.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_importer_is_named_with_the_choices() -> None:
    with pytest.raises(LogError, match=r"importer 'opnai' not found \(did you mean 'openai'"):
        registry.load_importer("opnai")


def test_every_importer_of_ours_has_its_parts() -> None:
    for name in registry.OURS:
        importer = registry.load_importer(name)
        assert isinstance(importer.TITLE, str)
        assert callable(importer.read)
        assert hasattr(importer, "fits") != (hasattr(importer, "records") and hasattr(importer, "WANTED"))


@pytest.mark.slow
def test_another_package_brings_an_importer(tmp_path: Path) -> None:
    install(tmp_path, bot=CHAT_BOT, openai="raise RuntimeError('ours has this name')")
    (tmp_path / "log.jsonl").write_text('{"heard": "hi", "said": "hello"}\n[{"role": "user", "content": "hi"}]\n')
    found = run(tmp_path, "import", "log.jsonl", "-o", "mine.jsonl")
    assert found.returncode == 0, found.stderr
    assert "2 conversations in 2 records (1 bot, 1 openai)" in found.stdout
    (case,) = map(json.loads, (tmp_path / "mine.jsonl").read_text().splitlines())
    assert case["thread"]["events"] == [{"type": "user_message", "data": "hi", "role": "input"}]
    assert case["expect"] == [{"intent": "respond"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name", "importer 'bot' of chat-bot can't be imported: ModuleNotFoundError"),
        ("TITLE = 'x'", "importer 'bot' of chat-bot is none: chat_bot_bot has no read, fits or records"),
    ],
)
def test_one_that_is_none_is_said_to_be(tmp_path: Path, text: str, message: str) -> None:
    install(tmp_path, bot=text)
    (tmp_path / "log.jsonl").write_text('{"heard": "hi", "said": "hello"}\n')
    found = run(tmp_path, "import", "bot", "log.jsonl", "-o", "mine.jsonl")
    assert found.returncode != 0
    assert message in " ".join(found.stderr.split())
