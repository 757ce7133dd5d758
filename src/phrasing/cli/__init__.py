"""The command line: a module a verb, named by the verb (``phrasing run`` is ``run``, ``phrasing import`` is ``import_logs``).

Begin with ``verbs``, the table of them: it loads a verb's module when the verb is used, so that ``phrasing --help`` costs what
click costs. A verb reads its options, calls ``api`` or a package below, prints and gives an exit code; it imports what it needs
in its function, so that its ``--help`` is as cheap. ``common`` is what verbs share; ``terminal`` and ``layout`` are the tables
they print. Only here is anything printed, and only here are click and rich. Nothing imports this package but ``__main__``.

Exit codes, the first that applies: 2 a mistake of the user's; 3 trials without an answer, so the numbers are partial; 1 a
requirement was missed; 0 good.
"""

from __future__ import annotations

from phrasing.cli.verbs import main

__all__ = ["main"]
