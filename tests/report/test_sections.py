"""A report's sections: the terminal, Markdown and the page show the same, in one order."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from phrasing.analysis.run import Run
from phrasing.cli import terminal
from phrasing.report import sections
from phrasing.report.charts.run import charts_of, pictures
from phrasing.report.html import page
from phrasing.report.markdown import markdown
from phrasing.report.usage_and_cost import AS_JSON
from support.page_runs import run, shown
from support.tiny_runs import cache, obey

__all__ = ["cache"]


@pytest.fixture(scope="module")
def done(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a small suite."""
    return run(tmp_path_factory.mktemp("sections"), obey, repeats=2)


def test_markdown_and_the_page_have_the_same_sections_in_one_order(done: Run) -> None:
    report = done.report()
    written = markdown(report, pictures(report, done.figures(), "charts"))
    titles = re.findall(r"^## (.*)$", written, re.MULTILINE)
    assert titles[:2] == ["Accuracy against tokens", "Differences from the baseline"]
    assert titles[-1] == "What was run"
    there = re.findall(r"<h2>([^<]*)</h2>", page.html([shown(done)]))
    assert [title for title in there if title in titles] == titles[:-1]
    assert set(there) - set(titles) == {"Forbidden steps", "The cases"}  # no tag here, so only single trials, which a page lists


def test_the_terminal_shows_the_brief_ones_in_that_order(done: Run, capsys: pytest.CaptureFixture[str]) -> None:
    report = done.report()
    terminal.show(*terminal.report(report))
    out = " ".join(capsys.readouterr().out.split())
    brief = [table.caption for section in sections.of(report, report.label) if section.brief for table in section.tables]
    places = [out.index(caption) for caption in brief]
    assert places == sorted(places)
    assert len(places) == 3


def test_every_chart_has_a_section(done: Run) -> None:
    (figures,) = done.figures()
    begins = [section.charts for section in sections.of(done.report(), str, figures) if section.charts]
    for chart in charts_of(figures, done.report()):
        assert sum(chart.name.startswith(begin) for begin in begins) == 1, chart.name


def test_what_has_nothing_to_show_is_left_out(tmp_path: Path) -> None:
    report = run(tmp_path, obey, formats=["lines"]).report()
    titles = [section.title for section in sections.shown(sections.of(report, report.label))]
    assert "Differences from the baseline" not in titles
    assert "Tokens by segment" not in titles
    drawn = [section.title for section in sections.shown(sections.of(report, report.label), ["segments"])]
    assert "Tokens by segment" in drawn


def test_a_run_that_counted_tools_as_json_says_so_beside_its_counts(tmp_path: Path) -> None:
    done = run(tmp_path, obey, outputs=["tool"])
    (figures,) = done.figures()
    for rules in (done.record.tool_rules, {}):
        report = replace(done.report(), record=done.record.model_copy(update={"tool_rules": rules}))
        shown = {section.title: section for section in sections.of(report, str, figures)}
        for title in ("Tokens by segment", "Usage and cost"):
            assert (AS_JSON in shown[title].tables[0].legend) is (not rules)
