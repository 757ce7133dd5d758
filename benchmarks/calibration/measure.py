"""Measure one setting: draw data sets, hand each to ``phrasing``'s own functions, count how often they are right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from benchmarks.calibration.draw import Array, Design, answers, generator, labels, pair_moments
from phrasing.stats import bootstrap as resampling
from phrasing.stats import means, power
from phrasing.stats.paired import Difference, difference, holm, interval, p_above, p_different

Row = dict[str, Any]
ALPHA = 0.05
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
    seen = []
    for (found,), values, clusters, strata in paired(setting, simulations):
        low, high = interval(found)
        one = means.proportion(values, clusters, strata)
        differing = found.wins + found.losses
        seen.append((low, high, differing, *one))
    low, high, differing, _, one_low, one_high = np.array(seen).T
    return [
        {
            "simulations": len(seen),
            "below": float((high < truth).mean()),
            "above": float((low > truth).mean()),
            "coverage": float(((low <= truth) & (truth <= high)).mean()),
            "width": float((high - low).mean()),
            "differing": float(differing.mean()),
            "own coverage": float(((one_low <= own) & (own <= one_high)).mean()),
            "own below": float((one_high < own).mean()),
            "own above": float((one_low > own).mean()),
            "own width": float((one_high - one_low).mean()),
        }
    ]


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
    ps = [p_above(found, setting.difference) for (found,), *_ in paired(setting, simulations)]
    return [_rate(sum(p <= setting.alpha for p in ps), simulations)]


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
    cases = np.arange(setting.design.n)
    # the degrees of freedom depend on the sizes of the clusters only, so any values show them
    df = None if setting.design.clusters == "single" else means.mean(cases, labels(setting.design)[0]).df
    difference = 0.05
    for _ in range(60):
        square, size, unit = pair_moments(setting.accuracy, difference, setting.design)
        asked = power.detectable(size, square / unit**2, alpha=setting.alpha, df=df)
        if asked is None or setting.accuracy + asked * unit > 0.995:
            return None
        asked *= unit
        if abs(asked - difference) < 2e-4:
            return asked
        difference = (difference + asked) / 2
    return None


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
    "promised": promised,
    "promised clustered": promised_clustered,
    "ratios": ratios,
}

EFFORT = {"ratios": 1 / 4, "pair": 4, "inferior": 4}
"""How many times the usual number of data sets: a bootstrap draws thousands of times, and error rates must be known well."""
