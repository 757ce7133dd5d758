"""The files of a user's project: what ``init`` writes, a format or a dataset taken elsewhere, the project at a git revision.

``init`` has the folders that ship and a first suite over BAML that is there already; ``export_format`` and ``export_tests`` make
files that need no phrasing; ``from_package`` makes what an environment needs that somebody else wrote; ``revision`` is the one
place that runs git. Nothing here writes into a user's folders: the command line does. Begin with ``init``.

May import: suite, baml, prompts, score.
"""

__all__ = ["export_format", "export_tests", "from_package", "init", "revision"]
