"""Options and fixtures that all tests share."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is not a failure.
# The plain suite is to be quick; HYPOTHESIS_PROFILE=thorough looks longer, and CI, which has half an hour, between the two.
# In CI the examples are the same each time, so that a change isn't refused for what another brought. Elsewhere they are new ones,
# which is where such things are found.
_ALIKE = "CI" in os.environ
settings.register_profile("plain", deadline=None, max_examples=10, derandomize=_ALIKE)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=_ALIKE)
settings.register_profile("thorough", deadline=None, max_examples=200, derandomize=_ALIKE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "plain"))

GOLDENS = Path(__file__).parent / "goldens"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the files under tests/goldens instead of comparing")


# Half a million objects come with the modules that tests import. Going through them again and again takes a tenth of the time.


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()
    # No test turns the power off, and a third of what a small run takes is waiting for a disk.
    os.fsync = lambda file: None
    if hasattr(os, "fdatasync"):
        os.fdatasync = lambda file: None
    # What tests confirm is none of the user's; and they write projects with Python of their own all the time.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.mkdtemp(prefix="phrasing-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["PHRASING_CONFIG_DIR"] = folder
        os.environ["PHRASING_TRUST"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Of several workers the first takes what comes first, so that one alone imports litellm, which takes seconds.
    items.sort(key=lambda item: "models" not in item.path.parts)


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a file under ``tests/goldens``, byte for byte: ``golden("formats/talk.json.txt", text)``."""

    def check(name: str, text: str) -> None:
        path = GOLDENS / name
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert path.is_file(), f"tests/goldens/{name} is missing; write it with --update-goldens"
        assert text == path.read_bytes().decode(), f"differs from tests/goldens/{name}; if that is meant, run --update-goldens"

    return check
