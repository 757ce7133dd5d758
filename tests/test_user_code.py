"""Whether a user's file can look at anything but its arguments: where that can't be told, it counts as if it could."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.user_code import self_contained
from support.paths import REPOSITORY

SHIPPED = sorted((REPOSITORY / "formats").glob("*.py"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_formats_are_self_contained(path: Path) -> None:
    assert self_contained(path.read_bytes())


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import json, os",
        "import os.path as json",
        "from os import environ",
        "from . import neighbour",
        "from .json import loads",
        "import importlib",
        "def render(thread):\n    import time\n    return str(time.time())",
        "try:\n    import random\nexcept ImportError:\n    pass",
        "render = lambda thread: open('x').read()",
        "render = lambda thread: __import__('time').ctime()",
        "render = lambda thread: json.__loader__",
        "render = lambda thread: ().__class__.__base__",
        "render = lambda thread: eval(thread)",
        "render = lambda thread: getattr(thread, 'x')",
        "render = lambda thread: globals()['x']",
        "render = lambda thread: str(hash('x'))",
        "n = 0\ndef render(thread):\n    global n\n    n += 1\n    return str(n)",
        "def make():\n    n = 0\n    def render(thread):\n        nonlocal n\n        n += 1\n    return render",
    ],
)
def test_what_may_look_elsewhere_is_not(code: str) -> None:
    assert not self_contained(code.encode())


@pytest.mark.parametrize(
    "code",
    [
        "",
        "from __future__ import annotations",
        "import collections.abc\nfrom re import compile as pattern",
        "class Row:\n    def __init__(self, x):\n        self.x = x\n    def __str__(self):\n        return type(self).__name__",
    ],
)
def test_what_looks_at_its_arguments_alone_is(code: str) -> None:
    assert self_contained(code.encode())
