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
        if not isinstance(given, Mapping):
            continue
        if ":lambda:" in resource:
            handler = handlers.get(resource.rpartition(":")[2], "")
            yield name, [*_of_payload(given, handler), *_of_answer(state.get("Assign", {}), handler)]
        elif "createProcessingJob" in resource:
            yield name, list(_of_command(given.get("AppSpecification", {}).get("ContainerArguments")))
        elif "createTrainingJob" in resource:
            yield name, list(_of_hyperparameters(given.get("HyperParameters")))
        elif "createHyperParameterTuningJob" in resource:
            yield name, list(_of_search(given))


def _of_payload(given: Mapping[str, Any], handler: str) -> Iterator[str]:
    read = _read(handler)
    if read is None:
        yield f"it calls {handler or 'no function of this deployment'}, whose handler cannot be read"
        return
    yield from (f"its function does not read {each!r}" for each in sorted(set(given) - read))
    yield from (f"its function reads {each!r}, which is not given" for each in sorted(read - set(given)))


def _of_answer(assigned: Mapping[str, Any], handler: str) -> Iterator[str]:
    """Say which field of a function's answer is taken that it does not have, where the answer is written out."""
    answered = _answered(handler)
    for field in _RESULT.findall(str(assigned)) if answered else ():
        if field not in answered:
            yield f"its function answers with no {field!r}"


@functools.cache
def _read(handler: str) -> frozenset[str] | None:
    """Return the fields of its event that a handler reads; None where there is no such handler."""
    node = _function(handler)
    if node is None or not node.args.args:
        return None
    event = node.args.args[0].arg
    return frozenset(
        str(each.slice.value)
        for each in ast.walk(node)
        if isinstance(each, ast.Subscript)
        and isinstance(each.value, ast.Name)
        and each.value.id == event
        and isinstance(each.slice, ast.Constant)
    )


@functools.cache
def _answered(function: str) -> frozenset[str]:
    """Return the keys of the objects that a function returns, itself or by a function of ours that it calls for it."""
    node, module = _function(function), _parsed(_path(function.rpartition(".")[0]))
    imported = {
        name.asname or name.name: f"{each.module}.{name.name}"
        for each in ast.walk(module or ast.Module([], []))
        if isinstance(each, ast.ImportFrom) and each.module
        for name in each.names
    }
    keys: set[str] = set()
    for each in ast.walk(node) if node else ():
        value = each.value if isinstance(each, ast.Return) else None
        if isinstance(value, ast.Dict):
            keys |= {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            called = value.func.id
            keys |= _answered(imported.get(called, f"{function.rpartition('.')[0]}.{called}"))
    return frozenset(keys)


def _function(name: str) -> ast.FunctionDef | None:
    module, _, wanted = name.rpartition(".")
    tree = _parsed(_path(module))
    found = (each for each in (tree.body if tree else ()) if isinstance(each, ast.FunctionDef))
    return next((each for each in found if each.name == wanted), None)


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
