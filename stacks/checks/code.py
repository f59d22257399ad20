"""What code of ours reads of its arguments and what it returns, by its syntax tree.

To import it would need what it runs with, torch among it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from stacks.checks.assemblies import ROOT

ENTRYPOINTS = "training/entrypoints"
EACH = "[]"
"""What a path has where it goes through the elements of a list."""
Fields: TypeAlias = "Mapping[str, Fields | None]"
"""The fields of a mapping, with those of each; None for what may hold anything."""


@dataclass(frozen=True)
class Scope:
    """A function by its dotted name, and what the names of a loop around an expression stand for."""

    function: str
    bound: Mapping[str, ast.expr] = field(default_factory=dict)


@functools.cache
def parsed(path: str) -> ast.Module | None:
    """Return a file's tree, or nothing when there is none."""
    file = ROOT / path
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def module_of(function: str) -> str:
    """Return the module of a function or of a class's method."""
    parts = function.split(".")[:-1]
    return ".".join(parts[:-1] if parts and parts[-1][:1].isupper() else parts)


def path_of(module: str) -> str:
    """Return the file of a module."""
    return module.replace(".", "/") + ".py"


def function(name: str) -> ast.FunctionDef | None:
    """Return a function, or a method that is named with its class."""
    module, parts = module_of(name), name.split(".")
    found: ast.Module | ast.ClassDef | None = parsed(path_of(module))
    for part in parts[len(module.split(".")) : -1]:
        classes = (each for each in (found.body if found else ()) if isinstance(each, ast.ClassDef))
        found = next((each for each in classes if each.name == part), None)
    functions = (each for each in (found.body if found else ()) if isinstance(each, ast.FunctionDef))
    return next((each for each in functions if each.name == parts[-1]), None)


def job_of(script: str) -> str | None:
    """Return the module whose `main` an entry point runs."""
    tree = parsed(f"{ENTRYPOINTS}/{script}")
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.ImportFrom) and any(each.name == "main" for each in node.names):
            return node.module
    return None


@functools.cache
def reads(name: str, position: int = 0) -> frozenset[tuple[str, ...]] | None:
    """Return the paths by which a function reads an argument, itself or where it hands it on; None without one."""
    node = function(name)
    parameters = [each.arg for each in node.args.args if each.arg != "self"] if node else []
    if node is None or position >= len(parameters):
        return None
    held: dict[str, tuple[str, ...]] = {parameters[position]: ()}
    found: set[tuple[str, ...]] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Assign) and isinstance(target := each.targets[0], ast.Name):
            if (path := _path(each.value, held)) is not None:
                held[target.id] = path
        elif isinstance(each, ast.comprehension) and isinstance(each.target, ast.Name):
            if (path := _path(each.iter, held)) is not None:
                held[each.target.id] = (*path, EACH)
        elif isinstance(each, ast.Subscript) and (path := _path(each, held)):
            found.add(path)
        elif isinstance(each, ast.Call):
            for number, given in enumerate(each.args):
                path = _path(given, held)
                for called in _called(each, name) if path is not None else ():
                    found |= {(*(path or ()), *rest) for rest in reads(called, number) or ()}
    return frozenset(found)


def _path(value: ast.expr, held: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return by which constants a name is subscripted, where it is one of these."""
    if isinstance(value, ast.Name):
        return held.get(value.id)
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
        outer = _path(value.value, held)
        return None if outer is None else (*outer, str(value.slice.value))
    return None


@functools.cache
def returned(name: str) -> Fields | None:
    """Return the fields that every answer of a function has, of those written out; None where none is."""
    node, answers = function(name), []
    for each in ast.walk(node) if node else ():
        if isinstance(each, ast.Return) and (answer := fields(each.value, Scope(name))):
            answers.append(answer)
    common = (
        {key: each for key, each in answers[0].items() if all(key in a for a in answers)} if answers else {}
    )
    return common or None


def fields(value: ast.expr | None, scope: Scope) -> Fields | None:
    """Return the fields of what an expression gives, or of each of a list, as text too: None if not written out."""
    parts: list[Fields | None] = [None]
    match value:
        case ast.Dict():
            parts = [_entry(key, each, scope) for key, each in zip(value.keys, value.values, strict=True)]
        case ast.ListComp(elt=each):
            parts = [fields(each, scope)]
        case ast.DictComp(generators=[ast.comprehension(target=ast.Name(), iter=over)]):
            parts = [dict.fromkeys(_names(over, scope)) or None]
        case ast.BinOp(left=one, op=ast.BitOr(), right=other) | ast.IfExp(body=one, orelse=other):
            parts = [fields(one, scope), fields(other, scope)]
        case (
            ast.BinOp(left=one, op=ast.Add())
            | ast.Call(func=ast.Attribute(attr="dumps") | ast.Name(id="dict"), args=[one, *_])
        ):
            parts = [fields(one, scope)]
        case ast.Call():
            parts = [_answer(value, scope)]
        case ast.Name(id=name):
            parts = [_of_name(name, scope)]
    return _joined(parts)


def _answer(call: ast.Call, scope: Scope) -> Fields | None:
    """Return the fields of the functions that a call may mean, of those that write their answers out."""
    meant = [*_called(call, scope.function)]
    if len(meant) > 1 and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        return None  # a variable may be of any of these classes
    return _joined([each for name in meant if (each := returned(name))]) or None


def _entry(key: ast.expr | None, value: ast.expr, scope: Scope) -> Fields | None:
    return {str(key.value): fields(value, scope)} if isinstance(key, ast.Constant) else fields(value, scope)


def _joined(parts: list[Fields | None]) -> Fields | None:
    """Return the fields of all; None if those of one are not known."""
    found: dict[str, Fields | None] = {}
    for each in parts:
        if each is None:
            return None
        found |= each
    return found


def _of_name(name: str, scope: Scope) -> Fields | None:
    """Return the fields of a variable: what it was assigned, and each that was put into it since."""
    found = fields(_assigned(name, scope), scope)
    node = function(scope.function)
    for each in ast.walk(node) if node and found is not None else ():
        match each:
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=held), slice=key)], value=value):
                found = _joined([found, _entry(key, value, scope)]) if held == name else found
    return found


def _assigned(name: str, scope: Scope) -> ast.expr | None:
    """Return what a name stands for: in its loop, its function or its module."""
    if name in scope.bound:
        return scope.bound[name]
    for place in (function(scope.function), parsed(path_of(module_of(scope.function)))):
        for each in ast.walk(place) if place else ():
            if isinstance(each, ast.Assign | ast.AnnAssign):
                target = each.target if isinstance(each, ast.AnnAssign) else each.targets[0]
                if ast.unparse(target) == name:
                    return each.value
    return None


def _names(value: ast.expr | None, scope: Scope) -> list[str]:
    """Return the texts that a loop goes over: of a tuple, of a dictionary's keys, or of what a name stands for."""
    if isinstance(value, ast.Name):
        return _names(_assigned(value.id, scope), scope)
    listed = (
        value.elts
        if isinstance(value, ast.Tuple | ast.List)
        else value.keys
        if isinstance(value, ast.Dict)
        else []
    )
    return [str(each.value) for each in listed if isinstance(each, ast.Constant)]


def _called(call: ast.Call, caller: str) -> Iterator[str]:
    """Yield the functions that a call may mean: of the caller's module, class or imports, or an imported class's."""
    module = parsed(path_of(module_of(caller)))
    imports = {
        name.asname or name.name: (str(each.module), name.name)
        for each in ast.walk(module or ast.Module([], []))
        if isinstance(each, ast.ImportFrom)
        for name in each.names
    }
    if isinstance(call.func, ast.Name):
        where, name = imports.get(call.func.id, (module_of(caller), call.func.id))
        names = [f"{where}.{name}"]
    elif isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "self":
        names = [f"{caller.rpartition('.')[0]}.{call.func.attr}"]
    else:
        attribute = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        names = [f"{where}.{name}.{attribute}" for where, name in imports.values()]
    yield from (each for each in names if function(each) and each != caller)


@functools.cache
def written(script: str) -> Mapping[str, Fields | None]:
    """Return the files that an entry point's job writes itself, by name, with the fields of each."""
    module = job_of(script)
    tree = parsed(path_of(module)) if module else None
    found: dict[str, Fields | None] = {}
    for node in tree.body if tree else ():
        for bound in ({}, *_rows(node)):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "write_text":
                    name = _file(call.func.value, bound)  # type: ignore[attr-defined]  # it has an attribute
                    if name and name not in found and isinstance(node, ast.FunctionDef):
                        found[name] = fields(call.args[0], Scope(f"{module}.{node.name}", bound))
    return found


def _rows(node: ast.AST) -> Iterator[Mapping[str, ast.expr]]:
    """Yield what the names of each loop over a written table stand for, row by row."""
    for loop in ast.walk(node):
        if (
            isinstance(loop, ast.For)
            and isinstance(loop.iter, ast.Tuple)
            and isinstance(loop.target, ast.Tuple)
        ):
            names = [ast.unparse(each) for each in loop.target.elts]
            for row in loop.iter.elts:
                if isinstance(row, ast.Tuple):
                    yield dict(zip(names, row.elts, strict=True))


def _file(place: ast.expr, bound: Mapping[str, ast.expr]) -> str:
    """Return the name of a file in a folder, which may be made with the names of a loop; nothing if it is not known."""
    last = place.right if isinstance(place, ast.BinOp) and isinstance(place.op, ast.Div) else None
    parts = []
    for each in last.values if isinstance(last, ast.JoinedStr) else [last]:
        known = bound.get(ast.unparse(each.value)) if isinstance(each, ast.FormattedValue) else each
        parts.append(str(known.value) if isinstance(known, ast.Constant) else None)
    return "" if None in parts else "".join(map(str, parts))
