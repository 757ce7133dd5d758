"""The Python code that BAML generates, read as a tree: its types, the functions' signatures, and modules made of them.

In prompts and answers a field may have another name than in code (``@alias``) or be left out (``@skip``), and code may get its
value wrapped in what was checked of it (``@check``). So the types are made into modules twice: by BAML's names, as labels and
steps have them, and as a model reads and writes them.
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
import sys
import types
import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeGuard

from pydantic import BaseModel

from phrasing.errors import shorten

KEYWORD = "_keyword_"
"""What stands behind the name of a field that Python can't have, such as ``from``: BAML's own generator refuses those."""

Names = Mapping[str, Mapping[str, str]]
"""By class or enum: what a model reads and writes for each of its fields or values. What is skipped isn't there."""

Declared = Mapping[str, ast.ClassDef | ast.AnnAssign]
"""The types of a project, as trees, by name."""

_OWN = ("Check", "Checked")
_SPELLED = {
    "str": "string",
    "NoneType": "null",
    "Image": "image",
    "Audio": "audio",
    "Pdf": "pdf",
    "Video": "video",
    "Any": "null",
}


@dataclass(frozen=True)
class Signature:
    """A function as the generated client has it: types are trees over the generated types."""

    parameters: Mapping[str, ast.expr]
    returns: ast.expr


def declared(tree: ast.Module) -> dict[str, ast.ClassDef | ast.AnnAssign]:
    """Give the types of a project by name: classes, enums and, where they stand for themselves, aliases."""
    found: dict[str, ast.ClassDef | ast.AnnAssign] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name not in _OWN:
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def is_enum(node: ast.AST) -> bool:
    """Whether a declared type is an enum."""
    return isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases)


def is_enum_type(kind: object) -> TypeGuard[type[Enum]]:
    """Whether it is an enum of a module made here."""
    return isinstance(kind, type) and issubclass(kind, Enum) and kind is not Enum


def declared_fields(node: ast.ClassDef) -> list[str]:
    """List the fields of a class, or the values of an enum, by BAML's names."""
    made = [part.target if isinstance(part, ast.AnnAssign) else part.targets[0] for part in _parts(node)]
    return [_baml_name(target.id) for target in made if isinstance(target, ast.Name)]


def signatures(client: str) -> Iterator[tuple[str, Signature]]:
    """Read the functions off the generated client, without importing it: it would start a runtime of its own.

    Raises ``ValueError`` for a type that is more than names and literals.
    """
    (body,) = [node.body for node in ast.parse(client).body if isinstance(node, ast.ClassDef) and node.name == "BamlSyncClient"]
    for node in body:
        if not isinstance(node, ast.FunctionDef) or not any(a.arg == "baml_options" for a in node.args.args):
            continue
        assert node.returns is not None
        given = [argument for argument in node.args.args if argument.arg not in ("self", "baml_options")]
        parameters = {argument.arg: _unwrapped(_type(argument.annotation or ast.Name("Any"))) for argument in given}
        yield node.name, Signature(parameters, _unwrapped(_type(node.returns)))


# ---------------------------------------------------------------------------------------------- annotations


def union_members(annotation: ast.expr) -> list[ast.expr]:
    """Give the members of a union, unions in it flattened; ``null`` is one of them where it is optional."""
    if isinstance(annotation, ast.Subscript) and type_name(annotation) in ("Union", "Optional"):
        inside = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        found = [member for one in inside for member in union_members(one)]
        return [*found, ast.Name("NoneType")] if type_name(annotation) == "Optional" else found
    return [annotation]


def type_name(annotation: ast.expr) -> str:
    """Give the last name of an annotation: ``List`` of ``typing.List[str]``, ``A`` of ``"types.A"``."""
    match annotation:
        case ast.Subscript(value=value):
            return type_name(value)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.Constant(value=str(name)):
            return name.rpartition(".")[2]
    return ""


def type_arguments(annotation: ast.expr) -> list[ast.expr]:
    """Give what stands between the brackets of an annotation."""
    if not isinstance(annotation, ast.Subscript):
        return []
    return list(annotation.slice.elts) if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]


def list_item(annotation: ast.expr) -> ast.expr | None:
    """Give the type of a list's items; ``None``: it is no list. A class may be called List."""
    is_list = isinstance(annotation, ast.Subscript) and type_name(annotation) == "List"
    return type_arguments(annotation)[0] if is_list else None


def literal_values(annotation: ast.expr) -> list[Any]:
    """Give the values of a literal type."""
    values = type_arguments(annotation) if type_name(annotation) == "Literal" else []
    return [value.value for value in values if isinstance(value, ast.Constant)]


def spelled(annotation: ast.expr) -> str:
    """Write a type as BAML does."""
    listed = union_members(annotation)
    if len(listed) > 1:
        return _spelled_union([spelled(member) for member in listed])
    name = type_name(annotation)
    if not isinstance(annotation, ast.Subscript):  # a class may be called List
        return _SPELLED.get(name, name)
    match name:
        case "Literal":
            return " | ".join(
                f'"{value}"' if isinstance(value, str) else str(value).lower() for value in literal_values(annotation)
            )
        case "List":
            (item,) = type_arguments(annotation)
            return f"({spelled(item)})[]" if len(union_members(item)) > 1 else f"{spelled(item)}[]"
        case "Dict":
            return f"map<{', '.join(spelled(item) for item in type_arguments(annotation))}>"
    return name


def _spelled_union(names: Sequence[str]) -> str:
    """Write a union; one type or null is ``type?``."""
    kept = [name for name in names if name != "null"]
    if len(kept) == len(names):
        return " | ".join(kept)
    return f"{kept[0]}?" if len(kept) == 1 else " | ".join([*kept, "null"])


def reached(annotation: ast.AST, types_: Declared) -> dict[str, ast.ClassDef | ast.AnnAssign]:
    """Give all the types that an annotation comes to, through the fields of classes."""
    found: dict[str, ast.ClassDef | ast.AnnAssign] = {}
    waiting: list[ast.AST] = [annotation]
    while waiting:
        for name in _mentioned(waiting.pop()):
            if name in types_ and name not in found:
                node = found[name] = types_[name]
                if isinstance(node, ast.ClassDef):
                    waiting += [part.annotation for part in _parts(node) if isinstance(part, ast.AnnAssign)]
                elif node.value is not None:
                    waiting.append(node.value)
    return found


def holds_media(annotation: ast.AST, types_: Declared) -> bool:
    """Whether an image, audio, a PDF or a video is in a type, or in one that it comes to."""
    nodes = [annotation, *reached(annotation, types_).values()]
    inside = [part for node in nodes for part in (_parts(node) if isinstance(node, ast.ClassDef) else [node])]
    kinds = [part.annotation if isinstance(part, ast.AnnAssign) else part for part in inside]
    return any(
        isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "baml_py"
        for kind in kinds
        for each in ast.walk(kind)
    )


def _mentioned(node: ast.AST) -> Iterator[str]:
    """Give the names in an annotation; the text of a literal is none, other text is."""
    if isinstance(node, ast.Subscript) and type_name(node) == "Literal":
        return
    if isinstance(node, ast.Attribute | ast.Name | ast.Constant):
        yield type_name(node)
    for child in ast.iter_child_nodes(node):
        yield from _mentioned(child)


class _Unwrap(ast.NodeTransformer):
    """Write ``X`` for ``Checked[X, …]``: what was checked of a value isn't a part of it."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if type_name(node) == "Checked":
            return typing.cast(ast.expr, self.visit(type_arguments(node)[0]))
        return typing.cast(ast.expr, self.generic_visit(node))


class _Unquote(ast.NodeTransformer):
    """Write ``types.X`` for ``"types.X"``, which is quoted because it may come later; what a literal says stays."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return node if type_name(node) == "Literal" else typing.cast(ast.expr, self.generic_visit(node))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


def unquoted(annotation: ast.expr) -> ast.expr:
    """Give an annotation whose types are there, not quoted."""
    return typing.cast(ast.expr, _Unquote().visit(copy.deepcopy(annotation)))


def _unwrapped(annotation: ast.expr) -> ast.expr:
    return typing.cast(ast.expr, _Unwrap().visit(annotation))


# ---------------------------------------------------------------------------------------------- what is taken of it


_IMPORTS = """
import typing
import typing_extensions
import baml_py
from enum import Enum
from pydantic import BaseModel, ConfigDict, Field
"""
_DOTTED = re.compile(r"((typing|typing_extensions|baml_py|types)\.)?\w+")
_LITERAL = ("typing.Literal", "typing_extensions.Literal")


def _declarations(tree: ast.Module) -> list[ast.stmt]:
    """Take the types of a module and nothing else that stands there.

    It is made of texts that may come from anybody. BAML quotes them, but that none of them runs mustn't hang on that. Raises
    ``ValueError`` for a type that is more than names and literals.
    """
    found: list[ast.stmt] = []
    for node in declared(tree).values():
        if isinstance(node, ast.ClassDef):
            if wrong := next((part for part in node.body if not _is_part(part)), None):
                shown = shorten(ast.unparse(wrong), 80)
                raise ValueError(f'class {node.name} holds more than fields: {shown} (is there """ in its @@description?)')
            found.append(ast.ClassDef(node.name, [_type(base) for base in node.bases], [], node.body, []))
        else:
            _type(node.annotation)
            found.append(node)
            if node.value is not None:
                _type(node.value)
    return [*ast.parse(_IMPORTS).body, *found]


def _is_part(node: ast.stmt) -> bool:
    """Whether it is a text, a field, an enum's value or a setting of a class, and does nothing else."""
    match node:
        case ast.Pass():
            return True
        case ast.Expr(value=value):
            return _is_plain(value)
        case ast.AnnAssign(target=ast.Name(), annotation=annotation, value=value):
            _type(annotation)
        case ast.Assign(targets=[ast.Name()], value=value):
            pass
        case _:
            return False
    if value is None or _is_plain(value):
        return True
    match value:
        case ast.Call(func=ast.Name(id="Field" | "ConfigDict"), args=[], keywords=given) if all(
            each.arg and _is_plain(each.value) for each in given
        ):
            return True
    return False


def _type(node: ast.expr) -> ast.expr:
    """Give an annotation back. A text in it is a type's name, which pydantic evaluates, unless it is a literal."""
    match node:
        case ast.Subscript(value=kind) if ast.unparse(kind) in _LITERAL:
            good = all(_is_plain(each) for each in type_arguments(node))
        case ast.Subscript(value=kind):
            good = all(_type(each) for each in (kind, *type_arguments(node)))
        case ast.Constant(value=str(name)):
            good = _DOTTED.fullmatch(name) is not None
        case ast.Name() | ast.Attribute():
            good = _DOTTED.fullmatch(ast.unparse(node)) is not None
        case _:
            good = isinstance(node, ast.Constant)
    if not good:
        raise ValueError(f"{shorten(ast.unparse(node), 80)} is more than a type")
    return node


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


# ---------------------------------------------------------------------------------------------- modules


def make_module(name: str, text: str, names: Names | None = None) -> types.ModuleType:
    """Make a module of the generated types, once in a process. ``names``: fields and values as a model reads and writes them.

    Raises ``ValueError`` where pydantic can't have such a class.
    """
    if name in sys.modules:
        return sys.modules[name]
    tree = ast.parse(text)
    tree.body = _declarations(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            _rewrite(node, (names or {}).get(node.name))
    tree.body = [_alias(node) if isinstance(node, ast.AnnAssign) else node for node in tree.body]
    made = types.ModuleType(name)
    # A class that comes later may be called as one of Python's own, say `TimeoutError`, and isn't that one.
    later = declared(tree)
    made.__dict__["__builtins__"] = {own: value for own, value in vars(builtins).items() if own not in later}
    sys.modules[name] = made  # where pydantic looks for names that come later
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a field may have the name of one of pydantic's methods
            exec(compile(ast.fix_missing_locations(tree), f"<{name}>", "exec"), made.__dict__)
            for kind in models_of(made):
                kind.model_rebuild()
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return made


def models_of(made: types.ModuleType) -> Iterator[type[BaseModel]]:
    """Give the classes of such a module."""
    for value in vars(made).values():
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == made.__name__:
            yield value


def as_json(value: Any, *, only_given: bool = False) -> Any:
    """Write a value of such types as JSON, by BAML's names. ``only_given``: without the fields that weren't."""
    if isinstance(value, BaseModel):
        names = [name for name in type(value).model_fields if not only_given or name in value.model_fields_set]
        return {baml_name(value, name): as_json(getattr(value, name), only_given=only_given) for name in names}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {as_json(key): as_json(item, only_given=only_given) for key, item in value.items()}
    return [as_json(item, only_given=only_given) for item in value] if isinstance(value, list) else value


def baml_name(model: BaseModel | type[BaseModel], field: str) -> str:
    """Give BAML's name of a class's field."""
    return model.__pydantic_fields__[field].serialization_alias or field


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Make a class's JSON Schema, once: functions share steps, and pydantic takes most of the time of loading a project."""
    made = model.model_json_schema()
    name = made.get("$ref", "").rpartition("/")[2]  # a class that holds itself only refers to itself
    return {**made["$defs"][name], "$defs": made["$defs"]} if name else made


class Collector(types.ModuleType):
    """What BAML's parser takes for the module of generated types: what it makes of them are plain dicts, lists and texts."""

    def __init__(self, names: Names) -> None:
        super().__init__("phrasing_collector")
        self.__dict__.update({name: _Collected(name, shown) for name, shown in names.items()}, Check=_Check, Checked=_Checked)


class Fields(dict[str, Any]):
    """What BAML's parser makes of an object: its fields, and ``kind``, the class that it took it for."""

    def __init__(self, kind: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.kind = kind


class _Collected:
    """Stands for a class or an enum."""

    def __init__(self, name: str, shown: Mapping[str, str]) -> None:
        self._name, self._shown = name, shown

    def __call__(self, value: str) -> str:
        return value

    def model_validate(self, fields: dict[str, Any]) -> Fields:
        """Keep the fields that aren't skipped."""
        return Fields(self._name, {name: value for name, value in fields.items() if name in self._shown})


class _Check:
    """Stands for what BAML says of one ``@check``."""

    @staticmethod
    def model_validate(fields: dict[str, Any]) -> None:
        """Keep nothing of it."""


class _Checked:
    """Stands for a value with its checks: the value counts."""

    def __class_getitem__(cls, types_: object) -> type[_Checked]:
        return cls

    @staticmethod
    def model_validate(fields: dict[str, Any]) -> Any:
        """Keep the value."""
        return fields["value"]


def _parts(node: ast.ClassDef) -> list[ast.AnnAssign | ast.Assign]:
    """Give the fields of a class or the values of an enum."""
    kind = ast.Assign if is_enum(node) else ast.AnnAssign
    return [part for part in node.body if isinstance(part, kind)]


def _baml_name(field: str) -> str:
    return field.removesuffix(KEYWORD)


def _rewrite(node: ast.ClassDef, names: Mapping[str, str] | None) -> None:
    """Give the fields of a class, or the values of an enum, these names; leave out those without one."""
    for part, name in zip(_parts(node), declared_fields(node), strict=True):
        shown = name if names is None else names.get(name)
        if isinstance(part, ast.AnnAssign):
            part.annotation = _unwrapped(part.annotation)
            if shown is not None and part.target.id != shown:  # type: ignore[union-attr]  # fields are names
                part.value = _field(part.value, shown, name)
        elif shown is not None and shown != name:
            part.value = ast.Constant(shown)
        if shown is None:
            node.body.remove(part)
    node.body = node.body or [ast.Pass()]


def _field(value: ast.expr | None, shown: str, name: str) -> ast.Call:
    """Write what a field is given: what it was given already, the name by which it is read, and BAML's own."""
    if isinstance(value, ast.Call):
        call = value
    else:
        call = ast.Call(ast.Name("Field", ast.Load()), [], [] if value is None else [ast.keyword("default", value)])
    call.keywords += [
        ast.keyword("validation_alias", ast.Constant(shown)),
        ast.keyword("serialization_alias", ast.Constant(name)),
    ]
    return call


def _alias(node: ast.AnnAssign) -> ast.stmt:
    """Write a type alias so that it may stand for itself, which ``TypeAlias`` can't."""
    assert node.value is not None
    name = ast.unparse(node.target)
    return ast.parse(f"{name} = typing_extensions.TypeAliasType({name!r}, {ast.unparse(_unwrapped(node.value))})").body[0]
