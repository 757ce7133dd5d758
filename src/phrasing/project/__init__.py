"""The files of a user's project: what ``init`` writes, formats and datasets taken elsewhere, files at a git revision.

Begin with ``init`` for the scaffold; ``revision`` is the one place that runs git.

May import: suite, baml, prompts, score.
"""
