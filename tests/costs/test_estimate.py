"""The ledger of a suite: what is counted, once, and what its views and files say."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.costs import estimate, tables
from phrasing.costs.token_totals import Counted, TokenTotals
from phrasing.records import TokenCounts
from phrasing.tokenizers.tokenizer import open_tokenizer
from support.tiny_runs import cache, case, obey, planned, world

__all__ = ["cache"]

O200K, CL100K = "o200k_base", "cl100k_base"
GROUPED = [
    case("a-1", group="a", turn=1),
    case("a-2", group="a", turn=2),
    case("b-1"),
    case("b-2"),
]


def talk(name: str, events: int, **more: object) -> dict[str, object]:
    """A case whose thread is a mail, and then look-ups with their results."""
    asked, told = {"type": "look_up", "data": {"query": "ann"}}, {"type": "look_up_result", "data": ["ann@x.org", "ann@y.org"]}
    first = {"type": "mail", "data": {"text": f"{name}, reply: send"}}
    return case(name, thread={"events": [first, *([asked, told] * (events // 2))]}, **more)


TALKS = [talk("a-1", 1, group="a", turn=1), talk("a-2", 3, group="a", turn=2), talk("b-1", 5), talk("b-2", 7)]


def kinds(tmp_path: Path, **keys: object) -> list[str]:
    return estimate.measure(planned(tmp_path, **keys), [open_tokenizer(O200K)]).variants()


def test_repeats_and_models_are_counted_once(tmp_path: Path) -> None:
    models = [{"label": name, "id": f"openai/{name}"} for name in ("one", "two")]
    resolved = planned(tmp_path, repeats=3, models=models, outputs=["prompted", "tool"])
    tally = estimate.measure(resolved, [open_tokenizer(O200K), open_tokenizer(CL100K)])
    assert len(tally.columns) == 2 * 2 * 2
    assert {sums.n for sums in tally.columns.values()} == {len(resolved.agents["mail"].cases)}
    for (_, tokenizer), sums in tally.columns.items():
        assert sums.total == sum(n * tokens for tokens, n in sums.totals.items())
        assert tokenizer in (O200K, CL100K)


def test_variants_come_in_the_order_of_the_suite(tmp_path: Path) -> None:
    assert [variant.split(",")[2] for variant in kinds(tmp_path, formats=["tags", "lines"])] == ["tags", "lines"]


def test_segments_events_and_cases_tell_the_same(tmp_path: Path) -> None:
    resolved = planned(tmp_path, cases=TALKS, outputs=["prompted", "tool"])
    tokenizers = [open_tokenizer(O200K)]
    plain, split = estimate.measure(resolved, tokenizers), estimate.measure(resolved, tokenizers, by_event=True)
    entries = [entry for listed in estimate.entries(resolved, tokenizers) for entry in listed]
    for column, sums in plain.columns.items():
        assert (split.columns[column].segments, split.columns[column].characters) == (sums.segments, sums.characters)
        assert sum(found.tokens for found in split.columns[column].events.values()) == sums.segments["thread"]
        mine = [entry for entry in entries if ",".join(entry.kind) == column[0]]
        assert sum(entry.counted[O200K].counts.total for entry in mine) == sums.total
    assert estimate.count(resolved) == {
        kind: {(entry.dataset, entry.case.id): entry.counted[O200K].counts for entry in entries if entry.kind == kind}
        for kind in {entry.kind for entry in entries}
    }


def test_ratios_are_to_the_baseline_and_cluster_on_groups(tmp_path: Path) -> None:
    resolved = planned(tmp_path, cases=GROUPED, baseline={"format": "lines"})
    tally = estimate.measure(resolved, [open_tokenizer(O200K)])
    by_format = {variant.split(",")[2]: (variant, O200K) for variant in tally.variants()}
    totals = {name: tally.columns[column].total for name, column in by_format.items()}
    assert tally.ratio(by_format["lines"]) is None
    found = tally.ratio(by_format["tags"])
    assert found is not None
    assert found.value == totals["tags"] / totals["lines"]
    assert tally._ratios[by_format["tags"]].closed().least.m == 3


def test_views_that_have_nothing_to_say_say_nothing(tmp_path: Path) -> None:
    resolved = planned(tmp_path, cases=GROUPED[2:], formats=["lines"])
    view = tables.by_length(estimate.measure(resolved, [open_tokenizer(O200K)]), str, estimate.axes)
    assert view.tables[0].rows[0][-2:] == ("–", "–")
    assert len(view.notes) == 1


def growing(mine: tuple[float, float], baseline: tuple[float, float], lengths: range) -> list[str]:
    """What is said of two variants by (start, slope), beside what a table always says."""
    tally = TokenTotals({"mine": "baseline"})
    for n in lengths:
        tokens = {name: round(start + slope * n) for name, (start, slope) in {"mine": mine, "baseline": baseline}.items()}
        tally.add({(name, O200K): Counted(TokenCounts(thread=t), t) for name, t in tokens.items()}, cluster=None, events=n)
    return tables.by_length(tally, str, lambda variant: {"variant": variant}).notes[1:]


def test_lines_that_cross_are_named() -> None:
    said = "By these lines mine costs 28 tokens more than baseline at 2 events and 32 less at 14; they cross at about 8."
    assert growing((138, 5), (100, 10), range(2, 15)) == [said]
    other = "By these lines baseline costs 20 tokens more than mine at 1 event and 20 less at 5; they cross at about 3."
    assert growing((70, 20), (100, 10), range(1, 6)) == [other]


@pytest.mark.parametrize(
    ("mine", "lengths"),
    [((138, 5), range(9, 15)), ((138, 5), range(2, 7)), ((110, 10), range(1, 9)), ((100.4, 9.8), range(1, 5))],
    ids=["crossed before", "cross after", "parallel", "all but the same"],
)
def test_lines_that_do_not_cross_are_not(mine: tuple[float, float], lengths: range) -> None:
    assert growing(mine, (100, 10), lengths) == []


def test_variants_of_several_datasets_have_tables_of_their_own(tmp_path: Path) -> None:
    agents = [
        {"dataset": "mail", "functions": ["DetermineNextStepMail"]},
        {"dataset": "post", "functions": ["DetermineNextStepMailTerse"]},
    ]
    resolved = planned(tmp_path, datasets={"mail": TALKS, "post": TALKS[:1]}, agents=agents, formats=["lines"])
    view = estimate.by_case(resolved, [open_tokenizer(O200K)], str)
    assert [(table.title, len(table.headers), len(table.rows)) for table in view.tables] == [("mail", 3, 4), ("post", 3, 1)]
    assert [(row["dataset"], row["case"]) for row in view.records] == [("mail", case["id"]) for case in TALKS] + [("post", "a-1")]


def test_formats_that_write_their_past_anew_are_named(tmp_path: Path) -> None:
    (tmp_path / "formats").mkdir()
    counted = "{{ thread.events|length }}\n{% for e in thread.events %}\n{{ e.type }} {{ e.data|json }}\n{% endfor %}"
    (tmp_path / "formats" / "counted.j2").write_text(counted)
    resolved = planned(tmp_path, cases=TALKS, formats=["lines", "counted"])
    tally = estimate.measure(resolved, [open_tokenizer(O200K)], by_event=True)
    (note,) = tables.by_event(tally, lambda variant: variant.split(",")[2], estimate.axes).notes[1:]
    assert note.startswith("counted: writes its past anew with each event")


# ---------------------------------------------------------------------------------------------- the command line


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["tokens", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("by", ["segment", "event", "case", "length"])
def test_views_at_80_columns(
    tmp_path: Path, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    suite = world(tmp_path, cases=TALKS, outputs=["prompted", "tool"])
    out = run(str(suite), "--by", by, "--tokenizer", O200K, "--tokenizer", CL100K)
    assert max(map(len, out.splitlines())) <= 80
    golden(f"tokens/by_{by}.txt", out)


def test_files_hold_what_is_shown_and_more(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=GROUPED)
    made = {kind: tmp_path / f"estimate.{kind}" for kind in ("csv", "json", "md")}
    run(str(suite), *(word for path in made.values() for word in ("-o", str(path))))
    with made["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = json.loads(made["json"].read_text())
    assert [row["format"] for row in rows] == [record["format"] for record in listed] == ["lines", "tags"]
    for row, record in zip(rows, listed, strict=True):
        assert set(row) == set(record)
        assert int(row["total"]) == record["total"] == sum(record[name] for name in tables.SEGMENTS)
        assert record["total"] / record["cases"] == record["mean"]
        assert record["median"] <= record["p95"] < record["characters"]
    assert (rows[0]["ratio"], listed[0]["ratio"]) == ("", None)
    assert "| variant | instructions | schema |" in made["md"].read_text()


def test_growth_is_drawn(tmp_path: Path) -> None:
    pictures = [tmp_path / name for name in ("growth.svg", "again.svg", "growth.png")]
    run(str(world(tmp_path, cases=TALKS)), "--by", "length", *(word for path in pictures for word in ("-o", str(path))))
    svg, again, png = (path.read_bytes() for path in pictures)
    assert svg == again
    assert all(f">{text}</text>".encode() in svg for text in ("lines", "tags", "events in the thread", "tokens of a prompt"))
    assert png.startswith(b"\x89PNG")


def test_a_run_is_held_against_the_providers_counts(tmp_path: Path) -> None:
    done = phrasing.run(world(tmp_path), complete=obey)
    out = run(str(done.folder))
    assert "Tokens of a prompt by our count and the provider's" in out
    again = run(str(done.folder), "--tokenizer", CL100K)
    assert f"as {CL100K}" in " ".join(again.split())
    refused = CliRunner().invoke(main, ["tokens", str(done.folder), "-f", "tags", "--by", "case", "--at", "main"])
    assert refused.exit_code == 2
    assert "all of it is held against the provider's counts; leave out --by case, --at, -f" in " ".join(refused.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.txt"], "--output 'x.txt': '.txt' isn't a kind of file; there are: .csv, .json, .md, .svg, .png"),
        (["-o", "x.svg"], "--output 'x.svg': this view has no picture; --by length has one"),
        (["--tokenizer", "o200"], "tokenizer 'o200' not found"),
        (["--max-ratio", "1.1"], "--max-ratio needs --against"),
        (["-o", "no/x.csv"], "--output 'no/x.csv': there is no folder 'no'"),
        (["--by", "segments"], "'segments' is not one of"),
        (
            ["--against", "main", "--by", "event", "--tokenizer", CL100K, "-o", "x.csv"],
            "--against holds totals against totals, by the suite's tokenizer; leave out --by event, -o, --tokenizer",
        ),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["tokens", str(world(tmp_path)), *arguments])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
