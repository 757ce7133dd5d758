"""What a user writes as data: a suite's file, a dataset's file, a rewrite's, and the expressions of ``-k``.

Owns the schemas of these files, every mistake in them with its file and line, samples and duplicates. Begin with ``schema`` for
a key of a suite, ``dataset`` for a field of a case, ``tasks`` for one of a task, ``rewrites`` for a key of a rewrite.

May import: nothing of ours.
"""

__all__ = [
    "dataset",
    "duplicates",
    "expressions",
    "file",
    "functions",
    "near_duplicates",
    "outputs",
    "parameters",
    "rewrites",
    "sample",
    "schema",
    "tasks",
]
