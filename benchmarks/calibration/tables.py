"""What the rows of all settings say, as Markdown."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.calibration.measure import Row

LOW, HIGH = 0.93, 0.97
FEW = 10
"""With fewer cases that differ than this, the possible results are so few that no interval can cover 95 % exactly."""

INTRODUCTION = """\
# Calibration

Written by `python -m benchmarks.calibration`; every setting is in `calibration.csv`. Each setting draws {simulations:,} data
sets whose truth is known ({resampled:,} for the bootstrap) and hands them to the functions of `phrasing.stats`. A share of 95 %
measured in {simulations:,} is known to ± {error:.1f} points, so of many settings some look a little worse than they are.

Unless a section says otherwise, an answer is right where a normal variable lies below a threshold; 15 % of its variance belongs
to the cluster, 50 % to the case, 5 % to cluster and variant, 30 % to the single answer. Clusters are single cases, equal (4
cases) or unequal (1 to 13 cases, 4 on average). Where answers are lost, it is 5 % of them. Of two strata one has a quarter of the
cases, is ten points easier and shows three times the difference; the truth is their unweighted mean."""


def write(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in rows)


def read(path: Path) -> list[Row]:
    """Read what ``write`` wrote: numbers as numbers, nothing as None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _value(text: str) -> int | float | str | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


def text(rows: Sequence[Row]) -> str:
    counts = {row["kind"]: row["simulations"] for row in rows}
    simulations = counts["coverage"]
    sections = [
        INTRODUCTION.format(
            simulations=simulations,
            resampled=counts["ratios"],
            error=196 * (0.95 * 0.05 / simulations) ** 0.5,
        ),
        *_coverage([row for row in rows if row["kind"] == "coverage"]),
        *_own([row for row in rows if row["kind"] == "coverage"]),
        *_families([row for row in rows if row["kind"] in ("pair", "families")]),
        *_inferior([row for row in rows if row["kind"] == "inferior"]),
        *_hard([row for row in rows if row["kind"] == "hard"]),
        *_alone([row for row in rows if row["kind"] == "alone"]),
        *_claims([row for row in rows if row["kind"] == "claims"]),
        *_cost([row for row in rows if row["kind"] == "cost"]),
        *_promised([row for row in rows if row["kind"].startswith("promised")]),
        *_ratios([row for row in rows if row["kind"] == "ratios"]),
    ]
    return "\n\n".join(sections) + "\n"


def _coverage(rows: list[Row]) -> Iterator[str]:
    yield "## The interval of a difference"
    yield (
        "Share of 95 % intervals that hold the true difference: target 93 to 97 % from 100 cases on, at least 93 % below. "
        '"below" and "above" are the intervals that lie so. Settings are accuracies 0.5 to 0.98, differences of 0 and above, '
        "1 and 3 repeats, lost answers, two strata."
    )
    yield _table(
        ["n", "clusters", "settings", "cases that differ", "lowest", "mean", "highest", "below", "above", "width"],
        [
            [
                n,
                clusters,
                len(group),
                f"{min(r['differing'] for r in group):.0f}–{max(r['differing'] for r in group):.0f}",
                percent(min(r["coverage"] for r in group)),
                percent(fmean(r["coverage"] for r in group)),
                percent(max(r["coverage"] for r in group)),
                percent(fmean(r["below"] for r in group)),
                percent(fmean(r["above"] for r in group)),
                f"{fmean(r['width'] for r in group):.3f}",
            ]
            for (n, clusters), group in _groups(rows, "n", "clusters")
        ],
    )
    yield _outside(rows, "coverage", "differing", "cases differ, on average")


def _own(rows: list[Row]) -> Iterator[str]:
    yield "## The interval of one variant's accuracy"
    yield "The same settings, the baseline's own accuracy (`proportions.proportion`)."
    yield _table(
        ["accuracy", "n", "settings", "lowest", "mean", "highest", "below", "above", "width"],
        [
            [
                accuracy,
                n,
                len(group),
                percent(min(r["own coverage"] for r in group)),
                percent(fmean(r["own coverage"] for r in group)),
                percent(max(r["own coverage"] for r in group)),
                percent(fmean(r["own below"] for r in group)),
                percent(fmean(r["own above"] for r in group)),
                f"{fmean(r['own width'] for r in group):.3f}",
            ]
            for (accuracy, n), group in sorted(_groups(rows, "accuracy", "n"))
        ],
    )
    wrong = [{**row, "wrong": row["n"] * (1 - row["accuracy"])} for row in rows]
    yield _outside(wrong, "own coverage", "wrong", "cases are wrong, on average")


def _outside(rows: list[Row], share: str, few: str, told: str) -> str:
    """Say which settings miss the target, and that those with too few cases to go by couldn't hit it."""
    large = [row for row in rows if row["n"] >= 100]
    over = [row for row in large if row[share] > HIGH]
    under = [row for row in rows if row[share] < LOW]
    lines = [f"{len(rows) - len(over) - len(under)} of {len(rows)} settings are on target."]
    if over:
        scarce = [row for row in over if row[few] < FEW]
        lines.append(
            f"{len(over)} with 100 cases or more cover over 97 %: the interval is wider than it need be, the safe side. In "
            f"{len(scarce)} of them fewer than {FEW} {told}: so few possible results let no interval come closer."
        )
    if under:
        lines.append(f"{len(under)} cover under 93 %:\n")
        return "\n".join([*lines, *(f"- {percent(row[share])} at {_name(row)}: {row[few]:.1f} {told}" for row in under)])
    lines.append("None covers under 93 %.")
    return "\n".join(lines)


def _families(rows: list[Row]) -> Iterator[str]:
    yield "## Variants that are all alike"
    yield (
        "Share of families in which any variant is called different from the baseline (p at most 0.05 after Holm's correction), "
        'though all have the same accuracy: target at most 5 %. "bound" is the upper 95 % Monte-Carlo bound: target at most 6 %. '
        "Accuracies 0.5 to 0.98, some with repeats and lost answers, some with two strata."
    )
    yield from _rates(rows, "variants")


def _inferior(rows: list[Row]) -> Iterator[str]:
    yield "## Variants that are worse by the margin"
    yield (
        "Share of variants called not worse than the baseline by 2, 5 or 10 points (the 95 % interval lies above that), though "
        "they are worse by exactly that: 2.5 % are promised, as one end of the interval may lie wrong so often."
    )
    yield from _rates(rows, "difference")


def _rates(rows: list[Row], column: str) -> Iterator[str]:
    yield _table(
        [{"difference": "truth"}.get(column, column), "n", "settings", "mean", "highest", "bound of the highest"],
        [
            [
                value,
                n,
                len(group),
                percent(fmean(r["rate"] for r in group)),
                percent(max(r["rate"] for r in group)),
                percent(max(r["bound"] for r in group)),
            ]
            for (value, n), group in sorted(_groups(rows, column, "n"))
        ],
    )
    over = [row for row in rows if row["bound"] > 0.06]
    said = f"The mean over all {len(rows)} settings is {percent(fmean(r['rate'] for r in rows))}. "
    if not over:
        yield said + "No bound is over 6 %."
    else:
        listed = [
            f"- {percent(r['rate'])}, bound {percent(r['bound'])}, at "
            f"{f'{r[column]} variants, ' * (column == 'variants')}{_name(r)}"
            for r in over
        ]
        yield "\n".join([said + f"In {len(over)} of them the bound is over 6 %:", "", *listed])


def _hard(rows: list[Row]) -> Iterator[str]:
    yield "## Differences that hide"
    yield (
        "A variant that fails wholly in few conversations, or differs with their size, or gains a little in most cases and loses "
        "much in few. Share of 95 % intervals that hold the truth, by number of conversations, and in brackets of those that lie "
        "above it: so often the variant is called not worse by a margin that it just misses."
    )
    yield from _by_conversations(rows, "differ")


def _alone(rows: list[Row]) -> Iterator[str]:
    yield "## Failures that hide"
    yield (
        "The interval of one variant's accuracy, where it fails wholly in few conversations. In brackets the share of intervals "
        "that lie above the truth: so often a gate passes on a minimum that the variant just misses."
    )
    yield from _by_conversations(rows, "tell how alike their cases are")


def _by_conversations(rows: list[Row], told: str) -> Iterator[str]:
    """Show coverage by family and number of conversations; ``told``: what those do that are counted."""
    counts = sorted({row["n"] for row in rows})
    yield _table(
        ["family", *(f"{n} conversations" for n in counts)],
        [
            [family, *(f"{percent(row['coverage'])} ({percent(row['above'])})" for row in sorted(group, key=lambda r: r["n"]))]
            for (family,), group in _groups(rows, "family")
        ],
    )
    large = [row for row in rows if row["n"] >= 60]
    worst, low = max(large, key=lambda r: r["bound"]), min(large, key=lambda r: r["coverage"])
    yield (
        f"From 60 conversations on at most {percent(worst['above'])} lie above the truth (bound {percent(worst['bound'])}): "
        f"{worst['family']}, {worst['n']} conversations. The lowest coverage is {percent(low['coverage'])}: {low['family']}, "
        f"{low['n']} conversations."
    )
    over = [row for row in rows if row["n"] >= 100 and row["coverage"] > HIGH]
    others = [row for row in over if row["differing"] >= FEW]
    yield (
        f"{len(over)} of {sum(row['n'] >= 100 for row in rows)} settings with 100 conversations or more cover over 97 %: the "
        f"interval is wider than it need be. In {len(over) - len(others)} of them fewer than {FEW} conversations {told}"
        f"{'; the others:' if others else '.'}"
    )
    if others:
        yield "\n".join(
            f"- {percent(row['coverage'])}: {row['family']}, {row['n']} conversations, of which {row['differing']:.0f} {told}"
            for row in others
        )


def _claims(rows: list[Row]) -> Iterator[str]:
    yield "## All verdicts together"
    yield (
        "Share of comparisons in which *any* verdict is false, whether it says better, worse, not worse or equivalent (margin 5 "
        "points): target at most 5 %. Truths are the differences that the variants have; accuracy 0.8."
    )
    yield _table(
        ["n", "clusters", "variants", "truths", "verdicts other than inconclusive", "any false", "bound"],
        [
            [r["n"], r["clusters"], r["variants"], r["truths"], *(percent(r[key]) for key in ("said", "rate", "bound"))]
            for r in rows
        ],
    )


def _cost(rows: list[Row]) -> Iterator[str]:
    yield "## What the care costs"
    yield (
        "Share of data sets with 100 clusters in which a real difference is called one, by the interval and by Student's t-test "
        "with cluster-robust errors, which holds in these families but not in those that hide."
    )
    yield _table(
        ["clusters", "accuracy", "difference", "interval", "t-test", "fewer"],
        [
            [
                r["clusters"],
                r["accuracy"],
                f"{r['difference']:.3f}",
                percent(r["rate"]),
                percent(r["t-test"]),
                percent(1 - r["rate"] / r["t-test"]),
            ]
            for r in rows
        ],
    )


def _promised(rows: list[Row]) -> Iterator[str]:
    yield "## The difference that a design promises to show"
    yield (
        "Data whose true difference is `power.detectable(...)`: share called different in the right direction, target 77 to 83 "
        "%. Independent: each case is won, lost or neither, discordance 0.05 to 0.3. Clustered: the normal model above with its "
        "own discordance and effective number of cases. alpha is 0.05, or 0.05/11 as for the first of 11 contrasts."
    )
    known = [row for row in rows if row["difference"] is not None]
    yield _table(
        ["design", "n", "clusters", "alpha", "settings", "differences", "lowest", "mean", "highest"],
        [
            [
                "independent" if kind == "promised" else "clustered",
                n,
                clusters,
                f"{alpha:.4f}",
                len(group),
                f"{min(r['difference'] for r in group):.3f}–{max(r['difference'] for r in group):.3f}",
                percent(min(r["rate"] for r in group)),
                percent(fmean(r["rate"] for r in group)),
                percent(max(r["rate"] for r in group)),
            ]
            for (kind, n, clusters, alpha), group in _groups(known, "kind", "n", "clusters", "alpha")
        ],
    )
    off = [row for row in known if abs(row["rate"] - 0.8) > 0.03]
    left = len(rows) - len(known)
    without = f"In {left} settings no accuracy could be so much better; they are left out. " if left else ""
    said = f"{without}{len(known) - len(off)} of {len(known)} are within 3 points."
    weak = sum(row["rate"] < 0.8 for row in off)
    yield "\n".join(
        [
            said
            + (
                f" Of the others {len(off) - weak} show the difference more often than promised, {weak} less often:\n"
                if off
                else ""
            )
        ]
        + [f"- {percent(r['rate'])} at alpha {r['alpha']:.4f}, discordance {r['discordance']:.3f}, {_name(r)}" for r in off]
    )


def _ratios(rows: list[Row]) -> Iterator[str]:
    yield "## The bootstrap of a ratio of totals"
    yield (
        "Share of 95 % intervals that hold the true ratio of two variants' tokens. The sizes of clusters and variants' noise "
        'are lognormal, sigmas under "sizes / noise". "ours" is `resampling.bootstrap`, the expanded percentile interval; the '
        "plain percentile interval and BCa are those of `scipy.stats.bootstrap`. All with 2,000 draws."
    )
    yield _table(
        ["sizes / noise", "clusters", "method", "coverage", "below", "above", "width"],
        [
            [r["sizes"], r["n"], r["method"], *(percent(r[key]) for key in ("coverage", "below", "above")), f"{r['width']:.3f}"]
            for r in sorted(rows, key=lambda r: (r["sizes"], r["n"]))
        ],
    )


def _groups(rows: Iterable[Row], *columns: str) -> list[tuple[tuple[object, ...], list[Row]]]:
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[column] for column in columns), []).append(row)
    return list(found.items())


def _name(row: Row) -> str:
    parts = [f"n {row['n']}", f"{row['clusters']} clusters"]
    if row["accuracy"]:
        parts.append(f"accuracy {row['accuracy']}")
    if row["difference"]:
        parts.append(f"difference {row['difference']:.3g}")
    if row["repeats"] > 1:
        parts.append(f"{row['repeats']} repeats")
    if row["lost"] == "yes":
        parts.append("answers lost")
    if row["strata"] > 1:
        parts.append("two strata")
    return ", ".join(parts)


def percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _table(head: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---:"] * len(head), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
