"""The formats of logs that ``registry`` knows, a module each: ``TITLE``, ``fits(record)`` and ``read(record)``.

A module's docstring says what it reads, and of which version of the format. What several formats share is in ``messages`` and
``otel_spans``; no format imports another.
"""

__all__: list[str] = []
