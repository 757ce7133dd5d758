"""Lists of tools, as APIs take them, to BAML and back: names, JSON Schemas as BAML types, the file that is written."""
