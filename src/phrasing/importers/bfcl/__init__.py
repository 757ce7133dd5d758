"""The Berkeley Function Calling Leaderboard as cases: ``read`` is the importer, ``calls`` runs the ground truth of several turns.

Both need the package ``bfcl-eval``, whose code is imported when it is used. Begin with ``read``.
"""

__all__ = ["read"]
