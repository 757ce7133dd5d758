"""Logs that others wrote become cases, with a summary of what was left out or changed on the way.

``registry`` finds the importer for a record, ours or another package's (``Importer`` says what one offers); an importer
makes conversations (``conversation``) of it; ``cases`` cuts these into threads and labels; ``pipeline`` goes all the way
from records to lines of a dataset, ``redact`` cleans them and ``case_writer`` chooses among them. ``log_files`` reads files
of any length: JSON (``json_stream``), tables (``tables``), packed ones (``packed``). ``written_out`` finds calls and
transcripts in texts, ``declared`` holds calls against the tools that a log lists, and ``people`` knows which keys tell who
somebody is. ``embedded`` takes threads apart that stand in a request.

``log_formats`` has a module a format, which says in its docstring what it reads; ``messages`` and ``otel_spans`` read what
several formats share. ``baml`` reads BAML's own tests, ``bfcl`` a public benchmark. To add a format: one module in
``log_formats``, and one line in ``registry``. Begin with ``conversation``, then ``pipeline``.

May import: suite, baml, score.
"""

__all__ = [
    "case_writer",
    "cases",
    "conversation",
    "declared",
    "embedded",
    "free_text",
    "json_stream",
    "log_files",
    "packed",
    "pipeline",
    "redact",
    "registry",
    "summary",
]
