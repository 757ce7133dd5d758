"""Find runs: by a folder or a word, the recording at a git revision, and the suite that a run is of."""

from __future__ import annotations

from pathlib import Path

from phrasing.analysis.run import Run
from phrasing.errors import SuiteError
from phrasing.project import revision
from phrasing.runs import run_folders
from phrasing.suite.file import SuiteFile, load_suite


def find(name: str, file: SuiteFile) -> Path:
    """Find a run of a suite: by its folder, or ``latest``, or ``recorded``; at a git revision, that is the recording of then."""
    return run_folders.find(file.root / "runs" if name == run_folders.RECORDED else file.runs, name, file.name)


def is_run(name: str) -> bool:
    """Whether a baseline is named as a run: a word that stands for one, or the folder of one."""
    return name in run_folders.WORDS or run_folders.is_run(Path(name))


def baseline(found: Run, name: str) -> Run:
    """Find what a run is compared with: a run (its folder, ``latest``, ``recorded``), else what a git revision has recorded.

    Raises ``UserError`` if there is no such baseline.
    """
    file = suite_above(found.folder, found.record.suite)
    if is_run(name):
        return Run(find(name, file))
    with revision.files_at(file.root, name, what="run or git revision") as files:
        recorded = Run(run_folders.find(files.folder / "runs", run_folders.RECORDED, found.record.suite))
        _ = recorded._variants, recorded._early_stop  # read before the folder is gone
    return recorded


def suite_above(folder: Path, name: str) -> SuiteFile:
    """Load the suite of this name from the project that a run's folder stands in. Raises ``SuiteError`` if it isn't there."""
    for parent in folder.absolute().parents:
        if (parent / "evals" / f"{name}.yaml").is_file():
            return load_suite(parent / "evals" / f"{name}.yaml")
    raise SuiteError(f"evals/{name}.yaml not found in any folder above the run", where=str(folder))
