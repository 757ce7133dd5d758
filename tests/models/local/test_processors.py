"""How many processors a process may use, by files as Linux has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from phrasing.models.local import processors
from phrasing.models.local.server import Server

HERE = 8


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with ``HERE`` processors."""
    if sys.platform == "linux":
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(HERE)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: HERE)


def files(root: Path, groups: str, **written: str) -> Path:
    """Write ``/proc/self/cgroup``, and files of control groups, whose names have ``__`` for a slash and ``_x_`` for a dot."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in written.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_x_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "written", "found"),
    [
        ("0::/\n", {"cpu_x_max": "max 100000\n"}, HERE),
        ("0::/\n", {"cpu_x_max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu_x_max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu_x_max": "5000 100000\n"}, 1),
        ("0::/\n", {"cpu_x_max": "6400000 100000\n"}, HERE),
        ("0::/a/b\n", {"a__b__cpu_x_max": "max 100000\n", "a__cpu_x_max": "300000 100000\n"}, 3),
        ("0::/outside/name\n", {"cpu_x_max": "400000 100000\n"}, 4),
        ("1:cpu,cpuacct:/\n0::/\n", {"cpu__cpu_x_cfs_quota_us": "-1\n", "cpu__cpu_x_cfs_period_us": "100000\n"}, HERE),
        ("1:cpu:/d\n", {"cpu__d__cpu_x_cfs_quota_us": "50000\n", "cpu__d__cpu_x_cfs_period_us": "25000\n"}, 2),
        ("4:cpuset:/\n", {"cpu_x_max": "100000 100000\n"}, HERE),
        ("0::/\n", {}, HERE),
        ("0::/\n", {"cpu_x_max": "some words\n"}, HERE),
        ("0::/\n", {"cpu_x_max": "100000\n"}, HERE),
        ("nonsense\n\n", {"cpu_x_max": "100000 0\n"}, HERE),
    ],
)
def test_a_quota_of_the_container_holds(tmp_path: Path, groups: str, written: dict[str, Any], found: int) -> None:
    assert processors.usable(files(tmp_path, groups, **written)) == found


def test_without_such_files_all_are_used(tmp_path: Path) -> None:
    assert processors.usable(tmp_path) == HERE


def test_a_server_has_as_many_threads_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "usable", lambda: 3)
    monkeypatch.delenv("PHRASING_THREADS", raising=False)
    assert Server(tmp_path / "x.gguf").threads == 3
    monkeypatch.setenv("PHRASING_THREADS", "5")
    assert Server(tmp_path / "x.gguf").threads == 5
