"""Measure one setting: draw data sets, hand each to ``phrasing``'s own functions, count how often they are right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special
from scipy.stats import bootstrap

from benchmarks.calibration.draw import Array, Design, answers, generator, labels, pair_moments
from benchmarks.calibration.hard import Family, accuracies, data_sets
from phrasing.analysis.compare import Contrast, conclude
from phrasing.analysis.verdict import Verdict
from phrasing.stats import bootstrap as resampling
from phrasing.stats import means, power, proportions, unseen
from phrasing.stats.paired import (
    Difference,
    difference,
    holm,
    interval,
    level_above,
    level_within,
    p_above,
    p_below,
    p_different,
)
from phrasing.stats.unseen import Spread, supposed

Row = dict[str, Any]
ALPHA = 0.05
WIDTHS = 500
"""In so many data sets the interval is computed whole; in all of them its tests at the truth say whether it holds that."""

TOKEN_RATIO = 0.8


@dataclass(frozen=True)
class Setting:
    """What is simulated; a kind of question, and the fields that it needs."""

    kind: str
    design: Design
    accuracy: float = 0.0
    difference: float = 0.0
    discordance: float = 0.0
    alpha: float = ALPHA
    wild: bool = False
    family: Family | None = None
    truths: tuple[float, ...] = ()


def measure(simulations: int, setting: Setting) -> list[Row]:
    """Return what was found, a row for each question asked of the setting, beginning with the setting."""
    simulations = max(1, int(simulations * EFFORT.get(setting.kind, 1)))
    d = setting.design
    asked = {
        "kind": setting.kind,
        "n": d.n,
        "clusters": d.clusters,
        "repeats": d.repeats,
        "lost": "yes" if d.missing else "no",
        "strata": d.strata,
        "accuracy": setting.accuracy or "",
        "difference": setting.difference,
    }
    return [{**asked, **row} for row in KINDS[setting.kind](setting, simulations)]


def paired(setting: Setting, simulations: int, variants: int = 2) -> Iterator[tuple[list[Difference], Array, Array, Array]]:
    """Give each data set's differences from the first variant, and that variant's values with their clusters and strata.

    Of two strata the second is harder by ten points and shows half the difference, the first one and a half times it.
    """
    clusters, strata = labels(setting.design)
    base = setting.accuracy - 0.1 * strata
    apart = setting.difference * (1.0 if setting.design.strata == 1 else 1.5 - strata)
    accuracies = np.stack([base] + [base + apart] * (variants - 1))
    rng = generator(setting, variants)
    step = max(1, 20_000_000 // accuracies.size)
    for start in range(0, simulations, step):
        for scores in answers(rng, setting.design, accuracies, min(step, simulations - start)):
            found = []
            for mine in scores[1:]:
                kept = ~np.isnan(mine) & ~np.isnan(scores[0])
                found.append(difference(mine[kept], scores[0][kept], clusters[kept], strata[kept]))
            kept = ~np.isnan(scores[0])
            yield found, scores[0][kept], clusters[kept], strata[kept]


def coverage(setting: Setting, simulations: int) -> list[Row]:
    """Does the 95 % interval hold the true difference, and does the baseline's own interval hold its accuracy?"""
    truth = setting.difference
    own = setting.accuracy - (0.05 if setting.design.strata > 1 else 0.0)
    seen, widths, own_widths = [], list[float](), list[float]()
    for (found,), values, clusters, strata in paired(setting, simulations):
        if len(widths) < WIDTHS:
            low, high = interval(found)
            widths.append(high - low)
        alone = proportions.spread(values, clusters, strata)
        if len(own_widths) < WIDTHS:
            _, low, high = proportions.proportion(values, clusters, strata)
            own_widths.append(high - low)
        seen.append((*_tails(found, truth), found.wins + found.losses, *_own_tails(alone, own)))
    below, above, differing, own_below, own_above = np.array(seen).T
    return [
        {
            **_covered(below, above),
            "width": float(np.mean(widths)),
            "differing": float(differing.mean()),
            **{f"own {name}": share for name, share in _covered(own_below, own_above).items() if name != "simulations"},
            "own width": float(np.mean(own_widths)),
        }
    ]


def _tails(found: Difference, truth: float) -> tuple[bool, bool]:
    """Say whether the 95 % interval lies below the truth, and whether it lies above it."""
    return p_below(found, truth) < ALPHA / 2, p_above(found, truth) < ALPHA / 2


def _own_tails(found: Spread, truth: float) -> tuple[bool, bool]:
    """Say the same of the interval of one variant's accuracy."""
    return unseen.at_least(found, truth, 1.0) < ALPHA / 2, unseen.at_most(found, truth, 0.0) < ALPHA / 2


def _covered(below: Array, above: Array) -> Row:
    return {
        "simulations": len(below),
        "below": float(below.mean()),
        "above": float(above.mean()),
        "coverage": float(1 - below.mean() - above.mean()),
    }


def hard(setting: Setting, simulations: int) -> list[Row]:
    """Does the interval hold the truth where differences are concentrated, tied to size, or have heavy tails?

    An interval that lies above the truth is also a false "not worse" by a margin that is just that.
    """
    assert setting.family is not None
    seen = []
    for mine, baseline, clusters in data_sets(setting.family, setting.design.n, simulations):
        found = difference(mine, baseline, clusters)
        seen.append((*_tails(found, setting.family.truth), found.spread.telling))
    below, above, differing = np.array(seen).T
    bound = means.upper_bound(int(above.sum()), simulations)
    row = {"family": setting.family.name, "difference": setting.family.truth, "differing": float(differing.mean())}
    return [{**row, **_covered(below, above), "bound": bound}]


def alone(setting: Setting, simulations: int) -> list[Row]:
    """Does the interval of one variant's accuracy hold where it fails wholly in a few conversations?

    An interval that lies above the truth is also a gate on a minimum that passes falsely.
    """
    assert setting.family is not None
    seen = []
    for values, clusters in accuracies(setting.family, setting.design.n, simulations):
        found = proportions.spread(values, clusters)
        seen.append((*_own_tails(found, setting.family.truth), found.telling))
    below, above, telling = np.array(seen).T
    bound = means.upper_bound(int(above.sum()), simulations)
    row = {"family": setting.family.name, "accuracy": setting.family.truth, "differing": float(telling.mean())}
    return [{**row, **_covered(below, above), "bound": bound}]


def claims(setting: Setting, simulations: int) -> list[Row]:
    """How often is any verdict of a comparison false, whatever it says? ``truths`` are the variants' differences.

    "better" is false at 0 and below, "worse" at 0 and above, "equivalent" at the margin and beyond, "not worse" at minus the
    margin and below.
    """
    clusters, strata = labels(setting.design)
    accuracies = np.array([[setting.accuracy + truth] for truth in (0.0, *setting.truths)]) * np.ones(setting.design.n)
    rng = generator(setting)
    false, said = 0, 0
    step = max(1, 20_000_000 // accuracies.size)
    for start in range(0, simulations, step):
        for scores in answers(rng, setting.design, accuracies, min(step, simulations - start)):
            contrasts = [_contrast(difference(mine, scores[0], clusters, strata), setting.difference) for mine in scores[1:]]
            concluded = conclude(contrasts, ALPHA)
            pairs = list(zip(concluded, setting.truths, strict=True))
            false += any(_false(contrast, truth, setting.difference) for contrast, truth in pairs)
            said += sum(contrast.verdict is not Verdict.INCONCLUSIVE for contrast in concluded)
    told = {"variants": 1 + len(setting.truths), "truths": " ".join(f"{truth:g}" for truth in sorted(set(setting.truths)))}
    return [{**told, **_rate(false, simulations), "said": said / simulations / len(setting.truths)}]


def _contrast(found: Difference, margin: float) -> Contrast:
    return Contrast(
        "",
        "",
        found.mean.n,
        0,
        0,
        found,
        p=p_different(found),
        not_worse=level_above(found, -margin),
        equivalent=level_within(found, margin),
    )


def _false(contrast: Contrast, truth: float, margin: float) -> bool:
    not_worse = contrast.not_worse <= ALPHA  # also said beside "worse"
    match contrast.verdict:
        case Verdict.BETTER:
            return truth <= 0
        case Verdict.WORSE:
            return truth >= 0 or (not_worse and truth <= -margin)
        case Verdict.EQUIVALENT:
            return abs(truth) >= margin
        case Verdict.NOT_WORSE:
            return truth <= -margin
    return False


def cost(setting: Setting, simulations: int) -> list[Row]:
    """How many verdicts does the interval cost, against Student's t-test with cluster-robust errors, which needs no such care?"""
    ours = theirs = 0
    for (found,), *_ in paired(setting, simulations):
        ours += p_different(found) <= ALPHA
        distance = abs(found.mean.value) / found.mean.variance**0.5 if found.mean.variance else math.inf
        theirs += 2 * special.stdtr(found.mean.df, -distance) <= ALPHA
    return [{"simulations": simulations, "rate": ours / simulations, "t-test": theirs / simulations}]


def families(setting: Setting, simulations: int) -> list[Row]:
    """How often is any of 4 or 11 variants called different from the baseline, or the only one, when all are alike?"""
    sizes = (1,) if setting.kind == "pair" else (4, 11)
    called = dict.fromkeys(sizes, 0)
    for found, *_ in paired(setting, simulations, variants=max(sizes) + 1):
        ps = [p_different(one) for one in found]
        for size in sizes:
            called[size] += min(holm(ps[:size])) <= setting.alpha
    return [{"variants": size + 1, **_rate(k, simulations)} for size, k in called.items()]


def inferior(setting: Setting, simulations: int) -> list[Row]:
    """How often is a variant that is worse by exactly the margin called not worse?"""
    levels = [level_above(found, setting.difference) for (found,), *_ in paired(setting, simulations)]
    return [_rate(sum(level <= setting.alpha for level in levels), simulations)]


def _rate(k: int, simulations: int) -> Row:
    return {"simulations": simulations, "rate": k / simulations, "bound": means.upper_bound(k, simulations)}


def promised(setting: Setting, simulations: int) -> list[Row]:
    """How often is the minimum detectable difference called one, when cases are independent and each is won, lost or neither?"""
    n, alpha = setting.design.n, setting.alpha
    delta = power.detectable(n, setting.discordance, alpha=alpha)
    asked: Row = {"discordance": setting.discordance, "alpha": alpha, "simulations": simulations}
    if delta is None:
        return [{**asked, "difference": None}]
    discordance = max(setting.discordance, delta)
    rng = generator(setting)
    drawn = rng.multinomial(n, [(discordance + delta) / 2, (discordance - delta) / 2, 1 - discordance], size=simulations)
    called = 0
    for wins, losses, _ in drawn:
        mine = np.arange(n) < wins
        other = (np.arange(n) >= wins) & (np.arange(n) < wins + losses)
        found = difference(mine, other)
        called += found.mean.value > 0 and p_different(found) <= alpha
    return [{**asked, "difference": delta, "rate": called / simulations}]


def promised_clustered(setting: Setting, simulations: int) -> list[Row]:
    """The same with clusters and repeats, where the effective number of cases and the discordance are those of the population."""
    difference, asked = _detectable(setting), {"alpha": setting.alpha, "simulations": simulations}
    if difference is None:
        return [{**asked, "difference": None}]
    square, size, _ = pair_moments(setting.accuracy, difference, setting.design)
    real = replace(setting, difference=difference)
    called = 0
    for (found,), *_ in paired(real, simulations):
        called += found.mean.value > 0 and p_different(found) <= setting.alpha
    return [{**asked, "difference": difference, "discordance": square, "size": size, "rate": called / simulations}]


def _detectable(setting: Setting) -> float | None:
    """Return the difference that is its own minimum detectable one: the discordance and the effective size depend on it."""
    difference = 0.05
    for _ in range(60):
        square, size, unit = pair_moments(setting.accuracy, difference, setting.design)
        added = _added(setting.design, square, size) / unit
        asked = power.detectable(size, square / unit**2, alpha=setting.alpha, added=added)
        if asked is None or setting.accuracy + asked * unit > 0.995:
            return None
        asked *= unit
        if abs(asked - difference) < 2e-4:
            return asked
        difference = (difference + asked) / 2
    return None


def _added(design: Design, square: float, size: float) -> float:
    """Return the weight that the test adds, as ``paired.Difference.added``, for a population that is known."""
    sizes = np.bincount(labels(design)[0])
    alone, together = 1 / design.n, float((sizes**2).sum()) / design.n**2
    if together == alone:
        return 1.0
    differing = round(float((1 - (1 - square) ** sizes).sum()))
    alike = (1 / size - alone) / (together - alone)
    return (alone + (together - alone) * supposed(alike, differing)) * size


def ratios(setting: Setting, simulations: int) -> list[Row]:
    """Does the bootstrap interval of a ratio of token totals hold the true ratio? A cluster has a size, a variant its noise.

    Ours against the plain percentile interval and BCa, both of scipy.
    """
    rng = generator(setting)
    n, spread, noise = setting.design.n, *((1.1, 0.4) if setting.wild else (0.5, 0.2))
    ends: dict[str, list[tuple[float, float]]] = {"ours": [], "percentile": [], "BCa": []}
    for _ in range(simulations):
        tokens = rng.lognormal(6, spread, n) * rng.lognormal(-(noise**2) / 2, noise, (2, n))  # the noise is 1 on average
        mine, other = TOKEN_RATIO * tokens[0], tokens[1]
        low, high = resampling.bootstrap(np.stack([mine, other], axis=1), lambda totals: totals[..., :1] / totals[..., 1:])
        ends["ours"].append((low[0], high[0]))
        scipy_draws = None
        for method in ("percentile", "BCa"):
            scipy_draws = bootstrap(
                (mine, other),
                lambda mine, other, axis: mine.sum(axis) / other.sum(axis),
                paired=True,
                n_resamples=0 if scipy_draws else resampling.DRAWS,
                bootstrap_result=scipy_draws,
                method=method,
                random_state=rng,
            )
            ends[method].append(tuple(scipy_draws.confidence_interval))
    rows = []
    for method, found in ends.items():
        low, high = np.array(found).T
        below, above = float((high < TOKEN_RATIO).mean()), float((low > TOKEN_RATIO).mean())
        width = float((high - low).mean())
        shown = {"coverage": 1 - below - above, "below": below, "above": above, "width": width}
        rows.append({"sizes": f"{spread} / {noise}", "method": method, "simulations": simulations, **shown})
    return rows


KINDS = {
    "coverage": coverage,
    "families": families,
    "pair": families,
    "inferior": inferior,
    "hard": hard,
    "alone": alone,
    "claims": claims,
    "cost": cost,
    "promised": promised,
    "promised clustered": promised_clustered,
    "ratios": ratios,
}

EFFORT = {"ratios": 1 / 10}
"""How many times the usual number of data sets: a bootstrap draws thousands of times itself."""
