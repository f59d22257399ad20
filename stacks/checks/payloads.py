"""What Tasks give to code of ours: payloads to functions, command lines and hyperparameters to jobs.

No service knows them, so a field or an option that nobody reads, or one that is missing, fails at a run.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stacks.checks.assemblies import ROOT, Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines
from stacks.checks.result import Result
from stacks.checks.values import is_expression
from training.errors import HyperparameterError
from training.hyperparameters import Hyperparameters

SAGEMAKER = "sagemaker_"
"""How hyperparameters begin that are SageMaker's."""
ENTRYPOINTS = "training/entrypoints"
DISPATCHED = "lambda_src.dispatcher.logic.pointer"
"""What makes the input of the machine that is started for an image."""
INPUT, RESULT = "{% $states.input %}", "{% $states.result %}"
_RESULT = re.compile(r"\$states\.result\.(\w+)")


@dataclass(frozen=True)
class Option:
    """An option of a job's command line: whether it must be given, and the words it takes; any, if it names none."""

    required: bool
    choices: tuple[str, ...]


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every Task that runs code of ours."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        handlers = {
            name: str(function["Properties"].get("Handler", ""))
            for _, name, function in assembly.resources("AWS::Lambda::Function")
        }
        for machine in machines(assembly, REFERENCE):
            for name, said in of_machine(machine, handlers):
                count += 1
                findings += [f"{machine.stack} {name}: {each}" for each in said]
    return Result("payloads", "Tasks: payloads, command lines, hyperparameters", count, tuple(findings))


def of_machine(machine: Machine, handlers: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each Task that runs code of ours, with what is wrong with what it gives."""
    for name, state in machine.tasks():
        given, resource = state.get("Arguments"), str(state["Resource"])
        if ":lambda:" in resource and "Arguments" in state:
            handler = handlers.get(resource.rpartition(":")[2], "")
            said = _of_input(machine, handler) if given == INPUT else _of_payload(given, handler)
            yield name, [*said, *_of_answer(state, machine, handler)]
        elif not isinstance(given, Mapping):
            continue
        elif "createProcessingJob" in resource:
            yield name, list(_of_command(given.get("AppSpecification", {}).get("ContainerArguments")))
        elif "createTrainingJob" in resource:
            yield name, list(_of_hyperparameters(given.get("HyperParameters")))
        elif "createHyperParameterTuningJob" in resource:
            yield name, list(_of_search(given))


def _of_payload(given: Any, handler: str) -> Iterator[str]:
    read = _read(handler)
    if read is None:
        yield f"it calls {handler or 'no function of this deployment'}, whose handler cannot be read"
        return
    if not isinstance(given, Mapping):
        yield f"its payload {given!r} is neither written out nor the input of its machine"
        return
    yield from (f"its function does not read {each!r}" for each in sorted(set(given) - read))
    yield from (f"its function reads {each!r}, which is not given" for each in sorted(read - set(given)))


def _of_input(machine: Machine, handler: str) -> Iterator[str]:
    """Say what a machine, or the function that it hands its input to, reads of it that the dispatcher does not give."""
    held = [
        variable
        for _, state in machine.states()
        for variable, value in state.get("Assign", {}).items()
        if value == INPUT
    ]
    taken = {
        field
        for name in ("states\\.input", *held)
        for field in re.findall(rf"\${name}\.(\w+)", machine.definition)
    }
    given, read = _returned(DISPATCHED, frozenset()), _read(handler)
    if given is None or read is None:
        yield f"what {DISPATCHED} gives or {handler or 'no function of this deployment'} reads cannot be read"
        return
    yield from (
        f"{each!r} is read, and {DISPATCHED} does not give it" for each in sorted((taken | read) - given)
    )


def _of_answer(state: Mapping[str, Any], machine: Machine, handler: str) -> Iterator[str]:
    """Say which field of a function's answer is taken that it does not have, there or from a variable that holds it."""
    assigned = state.get("Assign", {})
    taken = set(_RESULT.findall(str(assigned)))
    for variable, value in assigned.items():
        if value == RESULT:
            taken |= set(re.findall(rf"\${variable}\.(\w+)", machine.definition))
    answered = _returned(handler, frozenset())
    if taken and answered is None:
        yield f"what {handler} answers with is not written out, and {', '.join(sorted(taken))} is taken of it"
    yield from (f"its function answers with no {each!r}" for each in sorted(taken - (answered or taken)))


@functools.cache
def _read(handler: str) -> frozenset[str] | None:
    """Return what a handler reads of its event, itself or where it hands the event on; None without a handler."""
    node = _function(handler)
    if node is None or not node.args.args:
        return None
    event = node.args.args[0].arg
    read = _subscripts(node, event)
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and any(isinstance(a, ast.Name) and a.id == event for a in call.args):
            for _, called in _called(call, handler):
                read |= {field for each in called.args.args for field in _subscripts(called, each.arg)}
    return read


def _subscripts(node: ast.AST, name: str) -> frozenset[str]:
    """Return the constants by which a mapping of this name is read."""
    return frozenset(
        str(each.slice.value)
        for each in ast.walk(node)
        if isinstance(each, ast.Subscript)
        and isinstance(each.value, ast.Name)
        and each.value.id == name
        and isinstance(each.slice, ast.Constant)
    )


def _returned(function: str, seen: frozenset[str]) -> frozenset[str] | None:
    """Return the keys of what a function returns, itself or by what it calls; None where none are written out."""
    node = _function(function)
    keys: frozenset[str] = frozenset()
    for each in ast.walk(node) if node and function not in seen else ():
        value = each.value if isinstance(each, ast.Return) else None
        if isinstance(value, ast.Name) and node:
            value = _assigned(node, value.id)
        if isinstance(value, ast.Dict):
            keys |= frozenset(_keys(value, _parsed(_path(_module(function)))))
        elif isinstance(value, ast.Call):
            for name, _ in _called(value, function):
                keys |= _returned(name, seen | {function}) or frozenset()
    return keys or None


def _assigned(function: ast.FunctionDef, name: str) -> ast.expr | None:
    """Return what a function assigns to a name."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    return None


def _keys(written: ast.Dict, module: ast.Module | None) -> Iterator[str]:
    """Yield the keys of a dictionary; `**{name: … for name in NAMES}` has those of the module's `NAMES`."""
    for key, value in zip(written.keys, written.values, strict=True):
        if isinstance(key, ast.Constant):
            yield str(key.value)
        elif isinstance(value, ast.DictComp) and isinstance(named := value.generators[0].iter, ast.Name):
            for node in module.body if module else ():
                held = node.value if isinstance(node, ast.AnnAssign) else None
                if isinstance(held, ast.Dict) and ast.unparse(node).startswith(f"{named.id}:"):
                    yield from _keys(held, module)


def _called(call: ast.Call, caller: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions that a call may mean: of the caller's module or imports, or a method of an imported class."""
    module = _parsed(_path(_module(caller)))
    imports = {
        name.asname or name.name: (str(each.module), name.name)
        for each in ast.walk(module or ast.Module([], []))
        if isinstance(each, ast.ImportFrom)
        for name in each.names
    }
    if isinstance(call.func, ast.Name):
        where, name = imports.get(call.func.id, (_module(caller), call.func.id))
        names = [f"{where}.{name}"]
    else:
        attribute = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        names = [f"{where}.{name}.{attribute}" for where, name in imports.values()]
    for each in names:
        if found := _function(each):
            yield each, found


def _module(function: str) -> str:
    """Return the module of a function or of a class's method."""
    parts = function.split(".")[:-1]
    return ".".join(parts[:-1] if parts and parts[-1][:1].isupper() else parts)


def _function(name: str) -> ast.FunctionDef | None:
    """Return a function, or a method that is named with its class."""
    module, parts = _module(name), name.split(".")
    tree = _parsed(_path(module))
    found: ast.Module | ast.ClassDef | None = tree
    for part in parts[len(module.split(".")) : -1]:
        classes = (each for each in (found.body if found else ()) if isinstance(each, ast.ClassDef))
        found = next((each for each in classes if each.name == part), None)
    functions = (each for each in (found.body if found else ()) if isinstance(each, ast.FunctionDef))
    return next((each for each in functions if each.name == parts[-1]), None)


def _path(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _of_command(given: Any) -> Iterator[str]:
    """Say what a job's own parser would refuse."""
    if not isinstance(given, list) or not given:
        yield "its command line is no list"
        return
    script, *words = map(str, given)
    options = _options(script)
    if options is None:
        yield f"there is no {script} in {ENTRYPOINTS}"
        return
    if len(words) % 2:
        yield "its command line has an option without a value, or a value without an option"
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    for name, value in pairs.items():
        if name not in options:
            yield f"{script} has no option {name}"
        elif options[name].choices and not is_expression(value) and value not in options[name].choices:
            yield f"{script} {name} is {value!r}, and not one of {', '.join(options[name].choices)}"
    for name, option in options.items():
        if option.required and name not in pairs:
            yield f"{script} needs {name}"


@functools.cache
def _options(script: str) -> Mapping[str, Option] | None:
    """Return the options of an entry point's job, read from the calls that add them to its parser.

    To import it would need what jobs need, torch among it.
    """
    tree = _parsed(f"{ENTRYPOINTS}/{script}")
    if tree is None:
        return None
    found = {}
    for node in ast.walk(tree):
        brings = isinstance(node, ast.ImportFrom) and any(each.name == "main" for each in node.names)
        job = _parsed(_path(str(getattr(node, "module", "")))) if brings else None
        for call in ast.walk(job) if job else ():
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                name = str(call.args[0].value)
                if name.startswith("--"):
                    said = {each.arg: each.value for each in call.keywords}
                    required, choices = said.get("required"), said.get("choices")
                    found[name] = Option(
                        required is not None and bool(ast.literal_eval(required)),
                        ast.literal_eval(choices) if choices is not None else (),
                    )
    return found


@functools.cache
def _parsed(path: str) -> ast.Module | None:
    file = ROOT / path
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def _of_hyperparameters(given: Any) -> Iterator[str]:
    """Say what the training job would refuse; what a run puts in is not known, and its name is."""
    if not isinstance(given, Mapping):
        yield "its hyperparameters are no map"
        return
    own = {name: value for name, value in given.items() if not name.startswith(SAGEMAKER)}
    known = {name: str(value) for name, value in own.items() if not is_expression(value)}
    try:
        Hyperparameters.from_strings(known)
    except HyperparameterError as error:
        yield str(error)
    names = Hyperparameters().to_strings()
    yield from (f"there is no hyperparameter {each!r}" for each in sorted(set(own) - set(known) - set(names)))
    program = given.get(f"{SAGEMAKER}program")
    if program is not None and _parsed(f"{ENTRYPOINTS}/{program}") is None:
        yield f"there is no {program} in {ENTRYPOINTS}"


def _of_search(given: Mapping[str, Any]) -> Iterator[str]:
    """Say which of a search's hyperparameters, fixed or tried, the training job would refuse."""
    yield from _of_hyperparameters(given.get("TrainingJobDefinition", {}).get("StaticHyperParameters"))
    ranges = given.get("HyperParameterTuningJobConfig", {}).get("ParameterRanges", {})
    names = Hyperparameters().to_strings()
    for kind in ranges.values():
        yield from (
            f"there is no hyperparameter {each.get('Name')!r} to try"
            for each in kind
            if each.get("Name") not in names
        )
