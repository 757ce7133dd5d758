"""A suite and its files become trials; whatever can be checked without asking a model is checked here.

Owns the grid: which variants can work, what each is compared with, in which order trials are asked, and which cases are shown as
examples. ``verify`` holds logged requests against what would be composed. Begin with ``resolve``.

May import: stats, suite, baml, prompts, tokenizers, models, score, rollout, importers.
"""

__all__ = ["code", "describe", "find_prompt", "grid", "inputs", "proofs", "resolve", "selection", "verify"]
