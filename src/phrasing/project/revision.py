"""The files of a project as they are at a git revision, in a temporary folder. The effect is git."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from phrasing.errors import UserError, unknown
from phrasing.files import GIT
from phrasing.suite.file import EVALS, SuiteFile, load_suite
from phrasing.trust import copy_of

USER_FOLDERS = (
    *("baml_src", "controls", "environments", "evals", "datasets", "formats", "notations", "prompts", "reports", "tasks"),
)
"""What a revision is asked for first: the folders that a user owns. What else a suite names is fetched when it is loaded."""


@dataclass(frozen=True)
class ProjectFiles:
    """The files of a project: those in ``folder`` are as they are at revision ``name``; without one, it is the project itself."""

    project: Path
    folder: Path
    name: str | None = None
    commit: str | None = None

    def path(self, path: Path) -> Path:
        """Say where a file of the project is now."""
        if self.name is None:
            return path
        inside, project = path.absolute(), self.project.absolute()
        if not inside.is_relative_to(project):
            raise UserError(f"isn't in the project {self.project}, so --at {self.name} doesn't hold it", where=str(path))
        return self.folder / inside.relative_to(project)

    def suites(self) -> list[Path]:
        """List the suites of the project, by the names they have in it."""
        return [self.project / path.relative_to(self.folder) for path in sorted((self.folder / EVALS).rglob("*.yaml"))]

    def suite(self, path: Path) -> SuiteFile:
        """Load a suite of the project."""
        read = load_suite(self.path(path))
        if self.commit is None:
            return read
        added = [agent.distractors.tools for agent in read.suite.agents if agent.distractors]
        named = (read.suite.baml_src, *(entry.rpartition(":")[0] for entry in read.suite.scorers), *added)
        elsewhere = [name for name in named if not (self.folder / name).exists()]
        if elsewhere:
            _extract(self, self.commit, elsewhere)
        return replace(read, commit=self.commit, home=self.project)

    def say(self, text: str) -> str:
        """Name files as a user knows them."""
        return text if self.name is None else text.replace(f"{self.folder}/", "")

    def blame(self, error: UserError) -> UserError:
        """Say that a mistake is one of the revision."""
        message, where = self.say(str(error)), self.say(error.where or "")
        if where and where != error.where:
            return type(error)(message.removeprefix(f"{where}: "), where=f"{where} at {self.name}")
        return type(error)(message)


@contextmanager
def files_at(project: Path, name: str | None, *, what: str = "git revision") -> Iterator[ProjectFiles]:
    """Give the user-owned folders of a project as they are at a git revision, until the end of the block; ``None``: as they are.

    Git's attributes hold: filters are applied, and what isn't to be exported is left out. A ``UserError`` raised in the block
    names files as ``evals/x.yaml at REVISION``. Raises ``UserError`` for no git, no repository, and no such revision: ``what`` is
    what there is none of, then.
    """
    if name is None:
        yield ProjectFiles(project, project)
        return
    commit = _commit(project, name, what)
    there = _git(project, "ls-tree", "--name-only", commit, "--", *USER_FOLDERS).decode().split()
    if not there:
        raise UserError(f"holds none of {', '.join(USER_FOLDERS)}", where=f"revision {name!r}")
    # what the user trusts is the project, of which every revision is a part
    with TemporaryDirectory(prefix="phrasing-") as folder, copy_of(project, Path(folder)):
        found = ProjectFiles(project, Path(folder), name, commit)
        _extract(found, commit, there)
        try:
            yield found
        except UserError as error:
            raise found.blame(error) from None


def _commit(project: Path, name: str, what: str) -> str:
    try:
        _git(project, "rev-parse", "--git-dir")
    except UserError as error:  # no repository, or no git
        raise UserError(f"{what} {name!r} not found: {error}") from None
    try:
        return _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except UserError:
        listed = _git(project, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags")
        raise UserError(unknown(what, name, listed.decode().split())) from None


def _extract(files: ProjectFiles, commit: str, folders: Sequence[str]) -> None:
    packed = _git(files.project, "archive", "--format=tar", commit, "--", *folders)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(files.folder, filter="data")
    except tarfile.TarError as error:
        raise UserError(f"can't be unpacked: {error}", where=f"revision {files.name!r}") from None


def _git(project: Path, *words: str) -> bytes:
    try:
        return subprocess.run([*GIT, "-C", str(project), *words], capture_output=True, check=True).stdout
    except OSError as error:
        raise UserError(f"git can't be started: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise UserError(f"git {words[0]}: {said.removeprefix('fatal: ')}", where=str(project.absolute())) from None
