"""What was verified before, remembered in the user's cache, so that it isn't verified again.

Only that something *passed* is remembered, under a digest of all that it depends on: where one byte of it changes, nothing is
known, and it is verified anew. A damaged file counts as empty, and where nothing can be written nothing is remembered.
``docs/decisions/0043`` says what is remembered, and what isn't.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from phrasing.errors import StoreError
from phrasing.files import cache_dir, write_bytes

MOST_KEPT = 250_000
"""So many digests are kept of one subject, the latest used ones: 4 MB."""

MOST_BYTES = 64 * 2**20
"""So large may all files be together; those that weren't used for longest go first."""

_SIZE = 16
_OURS = ("*.py", "baml/*.py", "prompts/*.py")


class Passed:
    """What passed of one subject: a prompt or a format, with the software that it depends on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = dict.fromkeys(_read(path))
        self._used: dict[bytes, None] = {}
        self._new = False

    def once(self, parts: Sequence[str], verify: Callable[[], object]) -> None:
        """Call ``verify``, unless it was called for the same parts before and raised nothing."""
        key = digest_of(parts)
        if key not in self._before and key not in self._used:
            verify()
            self._new = True
        self._used[key] = None

    def keep(self) -> None:
        """Write down what passed, beside what other processes did meanwhile."""
        with suppress(OSError, StoreError):
            if self._new:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                kept = [key for key in _read(self._path) if key not in self._used] + list(self._used)
                written = b"".join(kept[-MOST_KEPT:])
                write_bytes(self._path, [_checksum(written), written])
                _prune(self._path.parent)
            elif self._used:
                self._path.touch()


class Verified:
    """The subjects of a project. Raises nothing where the cache can't be read or written."""

    def __init__(self) -> None:
        self._folder = cache_dir() / "verified"
        self._subjects: dict[bytes, Passed] = {}

    def of(self, *parts: str) -> Passed:
        """Give a subject by all that what is verified of it depends on, but for what ``Passed.once`` is given."""
        key = digest_of([_code(), *parts])
        if key not in self._subjects:
            self._subjects[key] = Passed(self._folder / key.hex())
        return self._subjects[key]

    def keep(self) -> None:
        """Write down what passed."""
        for subject in self._subjects.values():
            subject.keep()


def digest_of(parts: Sequence[str]) -> bytes:
    """Give a digest of texts: other texts, or the same cut at other places, have another one."""
    made = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        made.update(len(text).to_bytes(8))
        made.update(text)
    return made.digest()


@cache
def _code() -> str:
    """Give a digest of our own code that renders and verifies: an engine that was changed remembers nothing."""
    root = Path(__file__).parents[1]
    made = hashlib.sha256()
    for path in sorted(path for pattern in _OURS for path in root.glob(pattern)):
        made.update(path.read_bytes())
    return made.hexdigest()


def _read(path: Path) -> Iterator[bytes]:
    """Give the digests in a file; none where it isn't there, or isn't as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    checksum, written = content[:_SIZE], content[_SIZE:]
    if len(written) % _SIZE == 0 and checksum == _checksum(written):
        for at in range(0, len(written), _SIZE):
            yield written[at : at + _SIZE]


def _checksum(written: bytes) -> bytes:
    return hashlib.blake2b(written, digest_size=_SIZE).digest()


def _prune(folder: Path) -> None:
    """Remove the files that weren't used for longest, until the rest is small enough."""
    found = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process may have removed it
            found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MOST_BYTES:
            break
        with suppress(OSError):
            path.unlink()
        total -= size
