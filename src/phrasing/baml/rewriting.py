"""Sources changed in memory before BAML reads them: texts of prompts, what functions return, the order of fields, descriptions.

Each function takes the texts of all sources by file, and gives them changed. Where something isn't there, or would stay as it is,
it raises ``ValueError`` with what is wrong, and with files and lines of the sources where that helps.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from phrasing.baml.sources import only_code, without_comments
from phrasing.errors import shorten, unknown

REST = "..."
"""Stands for the fields that an order doesn't name."""

Texts = Mapping[str, str]
"""The texts of sources by file."""

_RAW = re.compile(r'(#+)"(.*?)"\1', re.DOTALL)
_CLOSING = re.compile(r'"(#+)')
_PART = re.compile(r"(?m)^[ \t]*(?:(?P<name>[A-Za-z_]\w*)|@@)")
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class _Literal:
    """A raw string in a source: from ``start`` to ``end``, its ``#`` included, and what it says."""

    file: str
    start: int
    end: int
    text: str

    def put(self, texts: Texts, text: str) -> dict[str, str]:
        """Give the sources with another text in its place."""
        source = texts[self.file]
        return {**texts, self.file: source[: self.start] + _raw(text) + source[self.end :]}

    def place(self, texts: Texts, at: int = 0) -> str:
        """Name the file and the line of a place in what it says."""
        before = texts[self.file].index('"', self.start) + 1 + at
        return f"{self.file}:{texts[self.file].count(chr(10), 0, before) + 1}"


def _raw(text: str) -> str:
    """Write a text as a raw string, between as many ``#`` as it takes."""
    hashes = "#" * (1 + max(map(len, _CLOSING.findall(text)), default=0))
    return f'{hashes}"{text}"{hashes}'


def _literal(file: str, source: str, at: int) -> _Literal | None:
    """Read the raw string that begins at a place; BAML takes no other ones for prompts and for ``template_string``."""
    found = _RAW.match(source, at + len(source[at:]) - len(source[at:].lstrip()))
    return _Literal(file, found.start(), found.end(), found[2]) if found else None


# ---------------------------------------------------------------------------------------------- texts


def replace_text(texts: Texts, function: str, text: str, by: str) -> dict[str, str]:
    """Replace a text in a function's prompt, or a ``template_string`` that this uses: in all of them together it must stand once.

    Neither text has the indentation of where it stands, which BAML cuts off, in its further lines.
    """
    prompt, templates = _prompt(texts, function), _templates(texts)
    found = []
    for literal in (prompt, *(templates[name] for name in sorted(used_templates(texts, function)))):
        pattern = _indented(text, _indent(literal.text))
        found += [(literal, pattern, one.start()) for one in re.finditer(f"(?={pattern})", literal.text)]  # overlapping ones, too
    if len(found) != 1:
        places = ", ".join(dict.fromkeys(literal.place(texts, at) for literal, _, at in found)) or prompt.place(texts)
        times = f"stands {len(found)} times" if found else "doesn't stand"
        raise ValueError(f"{shorten(repr(text), 80)} {times} in the prompt of {function!r} ({places}), wanted once")
    literal, pattern, at = found[0]
    whole = re.compile(pattern).match(literal.text, at)
    assert whole is not None, "what was found is there"
    first, *rest = by.split("\n")
    indent = _indent(literal.text)
    written = "\n".join([first, *(indent + line if line.strip() else line for line in rest)])
    if whole[0] == written:
        raise ValueError(f"{shorten(repr(text), 80)} is replaced by itself")
    return literal.put(texts, literal.text[: whole.start()] + written + literal.text[whole.end() :])


def _indented(text: str, indent: str) -> str:
    """Write a pattern of a text whose further lines are indented; empty ones between may be so or not."""
    lines = text.split("\n")
    between = [re.escape(indent + line) if line.strip() else r"[ \t]*" for line in lines[1:-1]]
    last = [re.escape(indent + lines[-1]) if lines[-1].strip() else ""] if len(lines) > 1 else []
    return "\n".join([re.escape(lines[0]), *between, *last])


def _indent(text: str) -> str:
    """Give the white space that all lines begin with: BAML cuts it off."""
    lines = [line for line in text.split("\n") if line.strip()]
    shared = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t"))] if lines else ""
    while not all(line.startswith(shared) for line in lines):
        shared = shared[:-1]
    return shared


def replace_template(texts: Texts, name: str, text: str) -> dict[str, str]:
    """Replace what a ``template_string`` says; its parameters stay."""
    found = _templates(texts)
    if name not in found:
        raise ValueError(unknown("template_string", name, found))
    made = found[name].put(texts, f"\n{text}\n")
    if _dedented(text) == _dedented(found[name].text):
        raise ValueError(f"template_string {name!r} says this already ({found[name].place(texts)})")
    return made


def _dedented(text: str) -> str:
    """Give a text as BAML takes it from a raw string."""
    indent = _indent(text)
    return "\n".join(line.removeprefix(indent) for line in text.split("\n")).strip()


def used_templates(texts: Texts, function: str) -> set[str]:
    """Name each ``template_string`` that a function's prompt names, and those that these name."""
    templates = _templates(texts)
    used: set[str] = set()
    waiting = [_prompt(texts, function).text]
    while waiting:
        named = templates.keys() & set(_WORD.findall(waiting.pop())) - used
        used |= named
        waiting += [templates[name].text for name in named]
    return used


def _templates(texts: Texts) -> dict[str, _Literal]:
    """Find each ``template_string`` by name."""
    found = {}
    for file, source in texts.items():
        bare = only_code(source)
        for head in re.finditer(r"(?m)^[ \t]*template_string\s+(\w+)(?:[ \t]*\([^()]*\))?", bare):
            if text := _literal(file, source, head.end()):
                found[head[1]] = text
    return found


def _prompt(texts: Texts, function: str) -> _Literal:
    """Find the prompt of a function."""
    for file, bare, at in _heads(texts, function):
        opened = bare.find("{", at)
        for key in re.compile(r"\bprompt\b").finditer(bare, opened, _end(bare, opened)):
            if found := _literal(file, texts[file], key.end()):
                return found
    raise ValueError(f"the prompt of {function!r} can't be found in the sources")


def replace_returns(texts: Texts, function: str, members: Sequence[str], *, many: bool) -> dict[str, str]:
    """Have a function return a union of ``members``, or a list of them where it returns ``many``."""
    returns = f"({' | '.join(members)})[]" if many else " | ".join(members)
    for file, bare, at in _heads(texts, function):
        closed = _closing(bare, at)
        arrow = re.compile(r"\s*->").match(bare, closed)
        opened = bare.find("{", closed)
        if arrow and opened > 0:
            source = texts[file]
            return {**texts, file: f"{source[: arrow.end()]} {returns} {source[opened:]}"}
    raise ValueError(f"what {function!r} returns can't be found in the sources")


def _heads(texts: Texts, function: str) -> Iterator[tuple[str, str, int]]:
    """Find where a function begins: the file, its code, and the place after the parenthesis that its parameters open."""
    for file, source in texts.items():
        bare = only_code(source)
        for head in re.finditer(rf"(?m)(?:^|(?<=\}}))[ \t]*function\s+{re.escape(function)}\s*\(", bare):
            yield file, bare, head.end()


def _end(bare: str, opened: int) -> int:
    """Find where the block ends that opens here."""
    depth, end = 1, opened + 1
    while depth and end < len(bare):
        depth += (bare[end] == "{") - (bare[end] == "}")
        end += 1
    return end


# ---------------------------------------------------------------------------------------------- classes and enums


@dataclass(frozen=True)
class _Part:
    """A field or a value with its ``name``, or an attribute of the block; from ``start`` to ``end``, with comments before it.

    ``hidden``: BAML shows it to no model.
    """

    name: str | None
    start: int
    end: int
    hidden: bool


@dataclass(frozen=True)
class _Block:
    """A class or an enum: what stands between its braces, and the parts of that, in order."""

    file: str
    start: int
    end: int
    parts: tuple[_Part, ...]

    @property
    def names(self) -> list[str]:
        """Its fields or values, in order."""
        return [part.name for part in self.parts if part.name is not None]


def reorder(texts: Texts, name: str, order: Sequence[str], shown: Collection[str]) -> dict[str, str]:
    """Put the fields of a class in another order; ``REST`` stands for those that it doesn't name, which else come last.

    ``shown`` are those that BAML shows: a class that isn't read here as BAML reads it is refused. Values of enums are fields.
    """
    block = _block(texts, name)
    source, declared = texts[block.file], block.names
    if sorted(part.name for part in block.parts if part.name is not None and not part.hidden) != sorted(shown):
        raise ValueError(f"the fields of {name} can't be told apart in {block.file}; wanted one a line: {', '.join(shown)}")
    for field in order:
        if field != REST and field not in declared:
            raise ValueError(f"{name}: {unknown('field', field, declared)}")
    wanted = arranged(order, declared)
    if wanted == declared:
        raise ValueError(f"{name} has its fields in this order already: {', '.join(declared)}")
    written = {part.name: _whole_lines(source[part.start : part.end]) for part in block.parts if part.name is not None}
    rest = "".join(_whole_lines(source[part.start : part.end]) for part in block.parts if part.name is None)
    head = _whole_lines(source[block.start : block.parts[0].start])
    body = head + "".join(written[field] for field in wanted) + rest
    return {**texts, block.file: source[: block.start] + body + source[block.end :]}


def arranged(order: Sequence[str], declared: Sequence[str]) -> list[str]:
    """Arrange fields: those that the order names and that are there, in its order, and the others where ``REST`` stands."""
    others = [field for field in declared if field not in order]
    parts = [others if field == REST else [field] for field in ([*order] if REST in order else [*order, REST])]
    return [field for part in parts for field in part if field in declared]


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def describe(texts: Texts, name: str, text: str | None) -> dict[str, str]:
    """Give ``Class``, ``Class.field``, ``Enum`` or ``Enum.Value`` another description, or with ``None`` none."""
    owner, _, part = name.partition(".")
    block = _block(texts, owner)
    source = texts[block.file]
    bare = only_code(source)
    if part and part not in block.names:
        raise ValueError(f"{owner}: {unknown('field', part, block.names)}")
    start, end = next(((each.start, each.end) for each in block.parts if part and each.name == part), (block.start, block.end))
    attribute = "@description" if part else "@@description"
    written = "" if text is None else f"{attribute}({_raw(text)})"
    found = re.compile(rf"(?<!@){attribute}\s*\(").search(bare, start, end)
    if found is None:
        if text is None:
            raise ValueError(f"{name} has no description")
        at = start + len(without_comments(source)[start:end].rstrip()) if part else block.end
        put = f" {written}" if part else f"\n  {written}\n"
        return {**texts, block.file: source[:at] + put + source[at:]}
    close = _closing(bare, found.end())
    if text is not None and _said(source[found.end() : close - 1]) == _dedented(text):
        raise ValueError(f"{name} has this description already")
    return {**texts, block.file: source[: found.start()] + written + source[close:]}


def _said(written: str) -> str:
    """Read the text of a description: a raw string, or one in quotes."""
    if raw := _RAW.search(written):
        return _dedented(raw[2])
    return _dedented(re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), written.strip()[1:-1]))


def _block(texts: Texts, name: str) -> _Block:
    """Find a class or an enum."""
    head = re.compile(rf"(?m)(?:^|(?<=\}}))[ \t]*(?:class|enum)\s+{re.escape(name)}\s*\{{")
    for file, source in texts.items():
        if head.search(source) is None:  # a quick look: what is code takes longer to find
            continue
        bare = only_code(source)
        if found := head.search(bare):
            end = _end(bare, found.end() - 1) - 1
            return _Block(file, found.end(), end, tuple(_parts(source, bare, found.end(), end)))
    raise ValueError(f"{name} can't be found in the sources")


def _parts(source: str, bare: str, start: int, end: int) -> Iterator[_Part]:
    """Find the parts of a block: each begins on a line of its own, with the lines of comments before it."""
    silent = without_comments(source)
    begins: list[tuple[int, str | None]] = []
    for found in _PART.finditer(bare, start, end):
        before = bare[start : found.start()]
        if before.count("(") == before.count(")") and not silent[start : found.start()].rstrip().endswith("|"):
            begins.append((_with_comments(source, silent, found.start(), start), found["name"]))
    for (at, name), (until, _) in zip(begins, [*begins[1:], (end, None)], strict=True):
        yield _Part(name, at, until, "@skip" in bare[at:until])


def _with_comments(source: str, silent: str, at: int, first: int) -> int:
    """Go back over the lines that hold nothing but a comment."""
    while at > first:
        line = source.rfind("\n", first, at - 1) + 1
        if line <= first or not source[line:at].strip() or silent[line:at].strip():
            break
        at = line
    return at


def _closing(bare: str, at: int) -> int:
    """Find the end of what a parenthesis before ``at`` opens."""
    depth = 1
    while depth and at < len(bare):
        depth += (bare[at] == "(") - (bare[at] == ")")
        at += 1
    return at
