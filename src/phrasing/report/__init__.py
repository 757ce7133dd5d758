"""What people and CI services read of a run: text, Markdown, one HTML page, charts, JUnit.

Owns every sentence, table and picture of a report; the figures come from ``analysis``. Begin with ``sections``: what a report
shows, in order. ``columns`` has the columns of tables and ``text`` the sentences; ``markdown``, ``html.page``, ``ci`` and the
terminal write them, ``charts`` draws, ``recording`` keeps.

May import: stats, suite, models, runs, analysis.
"""

__all__ = ["charts", "ci", "columns", "html", "markdown", "recording", "sections", "text", "usage_and_cost"]
