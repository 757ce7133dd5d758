"""The command line: thin verbs over ``api``.

Exit codes, the first that applies: 2 a mistake of the user's; 3 trials without an answer, so the numbers are partial; 1 a
requirement was missed; 0 good.
"""

from __future__ import annotations

from phrasing import asking, bringing, counting, importing, looking, reporting, starting
from phrasing.command import main

__all__ = ["asking", "bringing", "counting", "importing", "looking", "main", "reporting", "starting"]

if __name__ == "__main__":
    main()
