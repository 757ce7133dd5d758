"""A thread becomes what is sent: edited, rendered in a format, checked for loss, put into the prompt.

Owns how users' formats, edits and notations are loaded, called and proved, their parameters, the ``yaml`` filter, how functions
are rewritten and which tools are added to their steps, and the template that a BAML prompt is taken apart into. Begin with
``template`` for composing, ``formats`` for rendering.

May import: suite, baml.
"""

__all__ = [
    "distractors",
    "edits",
    "formats",
    "notation_probe",
    "notations",
    "parameters",
    "probe",
    "rewrites",
    "template",
    "verified",
    "yaml",
]
