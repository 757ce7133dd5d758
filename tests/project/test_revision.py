"""The files of a project as they are at a git revision: what is there, what isn't, and how a mistake in them is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.errors import FormatError, SuiteError, UserError
from phrasing.plan.resolve import resolve
from phrasing.project import revision
from phrasing.suite.file import find_root
from support.tiny_runs import BAML, cache, commit, git, world

__all__ = ["cache"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a subfolder of its repository: at ``v1`` the suite asks about tags, now about nothing that can be read."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "agents" / "mail"
    world(root)
    (root / "runs").mkdir()
    (root / "runs" / "x").write_text("not a file of the user's")
    (tmp_path / "top").write_text("not of the project")
    commit(tmp_path, "v1")
    (root / "formats" / "tags.j2").unlink()
    (root / "evals" / "small.yaml").write_text("description: Broken now")
    commit(tmp_path, "v2")
    return root


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


V1 = ["baml_src/mail.baml", "datasets/mail.jsonl", "evals/small.yaml", "formats/calls.py", "formats/lines.j2", "formats/tags.j2"]


def test_files_of_a_revision_are_there_for_a_while(project: Path) -> None:
    before = names(project)
    with revision.files_at(project, "v1") as files:
        assert names(files.folder) == V1
        assert files.suites() == [project / "evals" / "small.yaml"]
        file = files.suite(project / "evals" / "small.yaml")
        assert file.commit == files.commit == git(project, "rev-parse", "v1")
        assert file.runs == project / "runs"
        assert len(resolve(file).trials) == 12
        assert files.say(f"{file.path}: x") == "evals/small.yaml: x"
    assert not files.folder.exists()
    assert names(project) == before
    assert git(project, "status", "--porcelain") == ""


def test_without_a_revision_it_is_the_project_as_it_is(project: Path) -> None:
    with revision.files_at(project, None) as files:
        assert (files.folder, files.commit) == (project, None)
        assert files.suites() == [project / "evals" / "small.yaml"]
        with pytest.raises(SuiteError, match=r"mail/evals/small.yaml:1: .*'Broken now'"):
            files.suite(project / "evals" / "small.yaml")


@pytest.mark.parametrize("name", ["v1", "v1^0", "main~1"])
def test_any_name_of_a_commit_will_do(project: Path, name: str) -> None:
    with revision.files_at(project, name) as files:
        assert names(files.folder) == V1


def test_works_from_where_one_stands(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "evals")
    with revision.files_at(find_root(Path("small.yaml")), "v1") as files:
        assert len(resolve(files.suite(Path("small.yaml"))).trials) == 12
    monkeypatch.chdir(project)
    with revision.files_at(Path(), "v1") as files:
        assert files.suites() == [Path("evals/small.yaml")]


def test_baml_of_another_folder_comes_along(project: Path) -> None:
    path = world(project, name="other", baml_src="sources/baml")
    (project / "sources" / "baml").mkdir(parents=True)
    (project / "sources" / "baml" / "mail.baml").write_text(BAML)
    commit(project.parents[1], "v3")
    (project / "sources" / "baml" / "mail.baml").write_text("broken")
    with revision.files_at(project, "v3") as files:
        assert len(resolve(files.suite(path)).trials) == 12


def test_rewrites_come_along(project: Path) -> None:
    agents = [{"dataset": "mail", "functions": ["DetermineNextStepMail(short)"]}]
    path = world(project, name="other", agents=agents)
    (project / "prompts").mkdir()
    (project / "prompts" / "short.yaml").write_text("replace: [{text: You send mail for a person., by: Then}]")
    commit(project.parents[1], "v3")
    (project / "prompts" / "short.yaml").write_text("broken")
    with revision.files_at(project, "v3") as files:
        made = resolve(files.suite(path))
        assert "Then" in str(made.prompt(made.trials[0]).messages)


def test_mistakes_in_a_revision_are_named_by_it(project: Path) -> None:
    with pytest.raises(SuiteError) as caught, revision.files_at(project, "v2") as files:
        files.suite(project / "evals" / "small.yaml")
    assert str(caught.value).startswith("evals/small.yaml:1 at v2: description: 'Broken now'")
    assert caught.value.where == "evals/small.yaml:1 at v2"
    with pytest.raises(FormatError) as unread, revision.files_at(project, "v1") as files:
        raise FormatError(f"see {files.folder}/formats/x.j2")
    assert str(unread.value) == "see formats/x.j2"


def test_mistakes_elsewhere_stay_as_they_are(project: Path) -> None:
    with pytest.raises(UserError) as caught, revision.files_at(project, "v1"):
        raise UserError("wrong", where="runs/x")
    assert str(caught.value) == "runs/x: wrong"


# ---------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("name", ["v9", "--help", "-1", "v1:evals", ""])
def test_unknown_revision_lists_what_there_is(project: Path, name: str) -> None:
    with (
        pytest.raises(UserError, match=r"^git revision '.*' not found.*; there are: main, v1, v2$"),
        revision.files_at(project, name),
    ):
        raise AssertionError
    with pytest.raises(UserError, match=r"^run or git revision "), revision.files_at(project, name, what="run or git revision"):
        raise AssertionError


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match=r"^.*: git rev-parse: not a git repository"), revision.files_at(tmp_path, "main"):
        raise AssertionError


def test_without_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(UserError, match="git can't be started: No such file"), revision.files_at(project, "v1"):
        raise AssertionError


def test_revision_without_the_project(project: Path) -> None:
    git(project.parents[1], "switch", "--quiet", "--orphan", "empty")
    git(project.parents[1], "commit", "--quiet", "--allow-empty", "--message", "empty")
    project.mkdir(parents=True)
    with (
        pytest.raises(UserError, match=r"^revision 'empty': holds none of baml_src, controls, environments, evals"),
        revision.files_at(project, "empty"),
    ):
        raise AssertionError


def test_links_out_of_the_project_are_refused(project: Path) -> None:
    (project / "datasets" / "away.jsonl").symlink_to("/etc/passwd")
    commit(project.parents[1], "v3")
    with pytest.raises(UserError, match=r"^revision 'v3': can't be unpacked: "), revision.files_at(project, "v3"):
        raise AssertionError


def test_suite_of_another_project(project: Path, tmp_path: Path) -> None:
    elsewhere = world(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="isn't in the project"), revision.files_at(project, "v1") as files:
        files.suite(elsewhere)
