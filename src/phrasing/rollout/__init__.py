"""An agent is run to its end: pick a step, do it in an environment, append what came of it, until done.

Owns the contract of environments and controls, which are files of the user's, people who answer by rule, virtual time, and what a
run was worth; and environments that others wrote (``packaged``), which run in a process of their own. It asks no model itself: it
is handed a function that does. Begin with ``loop``; ``environment`` for what a user's world may return, ``controls/talk.py`` in a
project for the loop that an agent runs under unless a suite says otherwise.

May import: suite, models, score.
"""

__all__ = ["control", "environment", "find", "loop", "outcome", "packaged"]
