"""Statistics: arrays in, numbers out.

Owns means with intervals, paired differences, tests and their corrections, tests that hold at every look, power, the bootstrap,
bands of numbers, chances without SciPy, and ridge regression by groups. Knows nothing of runs, variants or scores, so each
function can be held against a textbook or statsmodels.
Begin with ``means``; a new estimate or test belongs beside the one it resembles.

May import: nothing of ours.
"""

__all__ = [
    "anytime",
    "bands",
    "bootstrap",
    "correlation",
    "means",
    "paired",
    "power",
    "proportions",
    "quantiles",
    "ridge",
    "saddlepoint",
    "tails",
    "unseen",
]
