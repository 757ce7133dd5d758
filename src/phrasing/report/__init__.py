"""What people and CI services read of a run: text, Markdown, one HTML page, charts, JUnit.

Owns every sentence and picture of a report. The figures come from ``analysis``. Begin with ``markdown`` for the whole report in
order, ``html`` for the page, ``charts`` for pictures.

May import: suite, score, stats, runs, analysis, project.
"""
