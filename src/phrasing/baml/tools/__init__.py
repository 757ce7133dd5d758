"""Lists of tools, of whatever API, as a BAML file and back.

``lists`` reads and writes the shapes in which APIs take tools, ``json_schema`` says what their arguments' schemas mean, ``types``
makes BAML types of these, ``write`` the whole file; ``names`` gives names that every API, or BAML, takes. Begin with ``write``.
"""

__all__ = ["json_schema", "lists", "names", "write"]
