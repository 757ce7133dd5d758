"""What `phrasing init` would write: beside what is there, and over BAML of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.baml.project import load_project
from phrasing.errors import BamlError, UserError
from phrasing.plan.resolve import resolve
from phrasing.project import init
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Suite
from support.small_projects import CLIENT, PROMPT, STEPS, cache, case, function, lines, load, write

__all__ = ["cache"]

IN_SYSTEM = '{{ _.role("system") }}\nYou send mail.\n{{ ctx.output_format }}\n{{ thread }}'


def suite(root: Path, sources: str, **options: object) -> tuple[str, Suite]:
    """Write the first suite over BAML sources, and read it."""
    text = init.first_suite(load(root, sources), **{"baml_src": "baml_src", "dataset": "mail", **options})  # type: ignore[arg-type]
    write(root, {"evals/first.yaml": text})
    return text, load_suite(root / "evals" / "first.yaml").suite


# ---------------------------------------------------------------------------------------------- what is there


def test_the_quickstart_is_a_part_of_what_ships() -> None:
    shipped, quickstart = init.shipped_files(), init.quickstart()
    assert quickstart.items() <= shipped.items()
    assert set(init.QUICKSTART) <= set(quickstart)
    assert {"formats/xml_yaml.j2", "formats/edits/keep_events.py"} <= set(quickstart)
    assert "datasets/deploy.jsonl" in shipped.keys() - quickstart.keys()
    assert not [name for name in shipped if "__pycache__" in name]


def test_each_file_is_held_against_what_is_there(tmp_path: Path) -> None:
    files = {f"formats/{name}": b"ours" for name in ("a.j2", "b.j2", "c.j2", "d.j2", "e.md", "edits/f.py")}
    write(tmp_path, {"formats/a.j2": "ours", "formats/b.j2": "theirs", "formats/c.py": "theirs", "formats/e.j2": "theirs"})
    write(tmp_path, {"formats/d.j2/in": "a folder", "formats/edits/f.txt": "theirs"})
    assert {one.name: one.left for one in init.compare_with_project(tmp_path, files)} == {
        "formats/a.j2": "as it is",
        "formats/b.j2": "as it is; it differs from the one that phrasing writes",
        "formats/c.j2": "out: c.py has that name",
        "formats/d.j2": "out: a folder has that name",
        "formats/e.md": "out: e.j2 has that name",
        "formats/edits/f.py": None,
    }


def test_baml_is_not_written_beside_sources_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path, {"baml_src/resume.baml": "// mine"})
    with pytest.raises(UserError, match=r"baml_src: holds BAML of your own \(resume.baml\), with which .* phrasing init --baml "):
        init.compare_with_project(tmp_path, init.quickstart())
    # what ships is there, and the user has added to it
    write(tmp_path, {name: text.decode() for name, text in init.quickstart().items()})
    assert all(one.left == "as it is" for one in init.compare_with_project(tmp_path, init.quickstart()))


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("", "runs/\n.env\n"),
        ("build/\n", "build/\nruns/\n.env\n"),
        ("build/\n.env", "build/\n.env\nruns/\n"),
        ("/runs\n.env\n", "/runs\n.env\n"),
    ],
    ids=["none", "others", "no line break", "both"],
)
def test_git_ignores_runs_and_keys(there: str, wanted: str) -> None:
    assert init.ignoring(there) == wanted
    assert init.ignoring(wanted) == wanted


# ---------------------------------------------------------------------------------------------- a first suite


def test_a_first_suite_asks_the_first_function_and_names_the_others(tmp_path: Path) -> None:
    more = function("Extract", returns="string") + function("Loud", "{{ thread|upper }}") + function("Two")
    text, suite_ = suite(tmp_path, function("Mail") + more, others=["old"])
    (agent,) = suite_.agents
    assert (agent.dataset, agent.functions) == ("mail", {"Mail": ("Mail",)})
    assert suite_.formats == ("messages_text", "xml_yaml", "json")
    assert suite_.baseline == {"format": "messages_text"}
    comments = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert "# there is also: old" in comments
    assert "# - Two" in comments
    assert [line for line in comments if line.startswith("# can't be asked: Extract returns ")]
    assert [line for line in comments if line.startswith("# can't be asked: function 'Loud'")]


def test_a_first_suite_checks_once_its_dataset_is_there(tmp_path: Path) -> None:
    agent = tmp_path / "agent: its #1 copy" / "baml_src"
    write(agent, {"main.baml": CLIENT + STEPS + function("Mail")})
    root = tmp_path / "evaluation"
    text = init.first_suite(load_project(agent), baml_src="../agent: its #1 copy/baml_src", dataset="mail")
    write(root, {name: content.decode() for name, content in init.shipped_files(["formats"]).items()})
    write(root, {"evals/first.yaml": text})
    with pytest.raises(UserError, match=r"first\.yaml:5: agents.0.dataset: .*phrasing import LOG -o datasets/mail.jsonl"):
        resolve(load_suite(root / "evals" / "first.yaml"))
    write(root, {"datasets/mail.jsonl": lines(case("a"), case("b"))})
    resolved = resolve(load_suite(root / "evals" / "first.yaml"))
    assert len(resolved.trials) == 6


@pytest.mark.parametrize("prompt", [IN_SYSTEM, PROMPT + "{{ thread }}"], ids=["in the system's", "twice"])
def test_a_thread_that_messages_cant_replace_is_shown_as_text(tmp_path: Path, prompt: str) -> None:
    text, suite_ = suite(tmp_path, function("Mail", prompt))
    assert suite_.formats == ("xml_yaml", "json")
    assert suite_.baseline == {"format": "xml_yaml"}
    assert "# no messages_text: function 'Mail' shows its thread in" in text


def test_no_function_to_ask(tmp_path: Path) -> None:
    with pytest.raises(BamlError, match=r"no function here can be asked: Extract returns "):
        suite(tmp_path, function("Extract", returns="string"))
