"""What is confirmed: where that is kept, who may read it, what it holds for, and what confirms nothing."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing import trust, user_code
from phrasing.errors import StoreError, UserError
from support.paths import REPOSITORY

CODE = b"def render(thread):\n    return 'x'\n"

posix = pytest.mark.skipif(os.name != "posix", reason="who may read a file is said otherwise")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHRASING_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("PHRASING_TRUST", raising=False)
    return tmp_path / "config"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "formats").mkdir(parents=True)
    return tmp_path / "project"


def runs(project: Path, source: bytes = CODE) -> bool:
    """Whether a project's file of Python is run."""
    try:
        user_code.load(project / "formats" / "own.py", source, project=project)
    except StoreError:
        raise
    except UserError as error:
        return "would run with your rights, and this project isn't trusted" not in str(error)
    except user_code.CodeError:
        return True
    return True


# ---------------------------------------------------------------------------------------------- what is kept


def test_it_is_kept_outside_the_project_and_taken_back(project: Path, config: Path) -> None:
    assert not runs(project)
    assert trust.add(keys=["MINE=https://h"], folders=[project]) == trust.confirmed()
    assert runs(project)
    assert trust.key_may_go("MINE=https://h", "?")
    assert [path.name for path in project.iterdir()] == ["formats"]
    trust.remove(keys=["MINE=https://h"], folders=[project])
    assert not runs(project)
    assert not trust.key_may_go("MINE=https://h", "?")


@posix
def test_nobody_else_may_read_it(config: Path) -> None:
    trust.add(keys=["MINE=https://h"])
    assert stat.S_IMODE(config.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in config.iterdir()} == {0o600}


@posix
def test_what_others_may_write_confirms_nothing(project: Path, config: Path) -> None:
    trust.add(folders=[project])
    (config / "trust.json").chmod(0o620)
    with pytest.raises(StoreError, match=r"trust\.json: others may write it.*chmod 600"):
        runs(project)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folders": 1}', '{"all": true}', "\udcff"])
def test_what_isnt_ours_confirms_nothing(project: Path, config: Path, text: str) -> None:
    trust.add()
    config.mkdir(exist_ok=True)
    (config / "trust.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match="isn't what phrasing wrote"):
        runs(project)


def test_what_several_confirm_at_once_is_all_kept() -> None:
    pairs = [f"KEY_{number}=https://h" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: trust.add(keys=[pair]), pairs))
    assert set(trust.confirmed().keys) == set(pairs)


# ---------------------------------------------------------------------------------------------- what it holds for


@given(source=st.binary(max_size=20), at=st.integers(0, 10_000))
def test_a_file_that_ships_runs_anywhere_and_one_byte_more_doesnt(source: bytes, at: int) -> None:
    shipped = (REPOSITORY / "formats" / "messages_text.py").read_bytes()
    assert trust.ships(shipped)
    changed = shipped[: at % len(shipped)] + source + shipped[at % len(shipped) :]
    assert trust.ships(changed) == (changed == shipped)


def test_a_project_is_one_folder_however_it_is_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust.add(folders=[project])
    monkeypatch.chdir(project)
    assert runs(Path())
    assert runs(project / "formats" / "..")
    (project / "formats" / "inner").mkdir()
    assert not runs(project / "formats" / "inner")  # somebody else's may lie there
    assert not runs(project.parent)


@posix
def test_a_link_is_what_it_leads_to(project: Path, tmp_path: Path) -> None:
    trust.add(folders=[project])
    (tmp_path / "link").symlink_to(project)
    assert runs(tmp_path / "link")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(foreign)
    assert not runs(tmp_path / "link")


def test_a_change_of_its_own_files_is_the_authors(project: Path) -> None:
    trust.add(folders=[project])
    assert runs(project, CODE + b"# more\n")


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False), ("", False), ("true", False), ("yes", False)])
def test_one_variable_lets_all_run(project: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("PHRASING_TRUST", value)
    assert runs(project) is expected


@pytest.mark.parametrize("name", ["CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "PHRASING_TRUSTED_HOSTS"])
def test_that_a_machine_tests_confirms_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "true")
    assert not runs(project)


# ---------------------------------------------------------------------------------------------- asking


@pytest.mark.parametrize("answer", [True, False])
def test_it_is_asked_once(project: Path, answer: bool) -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    with trust.asking(ask):
        assert [runs(project), runs(project)] == [answer, answer]
        assert [trust.key_may_go("MINE=https://h", "may it?") for _ in range(2)] == [answer, answer]
    assert asked[1:] == ["may it?"]
    assert f"Read it first. Trust the project {project}?" in asked[0]
    assert (trust.confirmed() != trust.Confirmed()) is answer


def test_after_it_nobody_is_asked(project: Path) -> None:
    with trust.asking(lambda question: True), trust.asking(None):
        assert not runs(project)
    assert not runs(project)


def test_nothing_runs_before_it_is_confirmed(project: Path) -> None:
    marker = project / "ran"
    source = f"open({str(marker)!r}, 'w').close()".encode()
    before = set(sys.modules)
    assert not runs(project, source)
    assert not marker.exists()
    assert set(sys.modules) == before
