"""The command line: thin verbs over ``api``.

Exit codes, the first that applies: 2 a mistake of the user's; 3 trials without an answer, so the numbers are partial; 1 a
requirement was missed; 0 good.
"""

from __future__ import annotations

from phrasing.cli import (
    import_logs as importing,
)
from phrasing.cli import (
    init as starting,
)
from phrasing.cli import (
    report as reporting,
)
from phrasing.cli import (
    run as asking,
)
from phrasing.cli import (
    show as looking,
)
from phrasing.cli import (
    tokens as counting,
)
from phrasing.cli import (
    tools as bringing,
)
from phrasing.cli.common import main

__all__ = ["asking", "bringing", "counting", "importing", "looking", "main", "reporting", "starting"]
