"""All that knows BAML: a project's functions and steps, what BAML makes of a prompt or an answer, its language.

Owns the one import of ``baml_py``, the code that BAML generates, and JSON Schemas of steps. ``tools`` turns lists of tools into
BAML and back. Begin with ``project``.

May import: nothing of ours but the nouns.
"""
