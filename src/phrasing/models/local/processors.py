"""How many processors this process may use: those it may run on, and no more than its container's quota pays for."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

V1 = ("cpu", "cpu,cpuacct")
"""Where the controller of processors may be mounted, of the first version of control groups."""


def usable(system: Path = Path("/")) -> int:
    """Count them, at least 1. A quota of a part of a processor counts as one. ``system`` is where files of Linux are."""
    return max(1, min([_processors(), *(math.ceil(quota) for quota in _quotas(system))]))


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(system: Path) -> Iterator[float]:
    """Give the quotas, in processors, of this process's control groups and of all that these lie in.

    In a container, a group's name may be that outside of it, while its files are at the root.
    """
    try:
        listed = (system / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    mounts = system / "sys/fs/cgroup"
    for line in listed:
        _, controllers, name = (line + "::").split(":")[:3]
        group = PurePosixPath(name.lstrip("/"))
        for inner in (group, *group.parents):
            if not controllers:
                yield from _quota(_numbers(mounts / inner / "cpu.max"))
            elif "cpu" in controllers.split(","):
                for mount in V1:
                    folder = mounts / mount / inner
                    yield from _quota([*_numbers(folder / "cpu.cfs_quota_us"), *_numbers(folder / "cpu.cfs_period_us")])


def _quota(parts: list[float]) -> Iterator[float]:
    """Give what two numbers, microseconds of time in each period and its length, are in processors; nothing for no limit."""
    if len(parts) == 2 and min(parts) > 0:
        yield parts[0] / parts[1]


def _numbers(file: Path) -> list[float]:
    """Read a file's whole numbers; a word (``max``) is none."""
    try:
        return [int(word) for word in file.read_text("utf-8", "replace").split() if word.lstrip("-").isdecimal()]
    except OSError:
        return []
