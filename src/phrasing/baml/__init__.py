"""All that knows BAML: a project's functions and steps, what BAML makes of a prompt or an answer, its language.

Owns the one import of ``baml_py``, and the code that BAML generates. ``project`` loads a folder of sources: its functions render
prompts and parse answers, its steps are what a model may pick. ``sources`` reads texts before BAML does, and ``rewriting``
changes them; ``codegen`` runs BAML's generator, ``generated`` reads what it makes, ``steps`` and ``arguments`` make of it what a
function returns and takes, ``step_schemas`` writes steps as JSON Schemas. ``tools`` turns lists of tools into BAML and back.
Begin with ``project``.

May import: nothing of ours.
"""

__all__ = ["generated", "project", "rewriting", "sources", "step_schemas", "steps", "tools"]
