"""What the deployment and code of ours hand to one another.

Payloads and answers of functions, command lines, hyperparameters and files of jobs, inputs of state machines, items of
tables, properties of custom resources: no service knows them, so a field or an option that nobody reads, or one that is
missing, fails at a run.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stacks.checks import code, documents, items, starts
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, inner, machines
from stacks.checks.result import Result
from stacks.checks.values import is_expression
from training.errors import HyperparameterError
from training.hyperparameters import Hyperparameters

SAGEMAKER = "sagemaker_"
"""How hyperparameters begin that are SageMaker's."""
DISPATCHED = "lambda_src.adapters.workflow.request"
"""What makes the input of the machine that is started for images."""
POINTER = "lambda_src.dispatcher.logic.pointer"
"""What makes each of them."""
INPUT, RESULT = "{% $states.input %}", "{% $states.result %}"
_HELD = re.compile(r"'(\w+)': '\{% \$states\.input\.(\w+) %\}'")
"""What is assigned a whole field of its input, in a machine as Python writes it."""
_FIELD_OF_INPUT = re.compile(r"\$states\.input\.(\w+)")
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
            for name, said in (*of_machine(machine, handlers), *documents.of_machine(machine)):
                count += 1
                findings += [f"{machine.stack} {name}: {each}" for each in said]
        for where, said in (*starts.of_assembly(assembly), *items.of_assembly(assembly)):
            count += 1
            findings += [f"{where}: {each}" for each in said]
    return Result("payloads", "our code: payloads, options, files, items, inputs", count, tuple(findings))


def of_machine(machine: Machine, handlers: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each Task that runs code of ours, with what is wrong with what it gives."""
    for name, state in machine.tasks():
        given, resource = state.get("Arguments"), str(state["Resource"])
        if ":lambda:" in resource and "Arguments" in state:
            handler = handlers.get(resource.rpartition(":")[2], "")
            said = _of_input(machine, handler) if given == INPUT else _of_payload(given, handler)
            yield name, [*said, *_of_answer(state, machine, handler), *_of_answers(state, machine, handler)]
        elif not isinstance(given, Mapping):
            continue
        elif "createProcessingJob" in resource:
            yield name, list(_of_command(given.get("AppSpecification", {}).get("ContainerArguments")))
        elif "createTrainingJob" in resource:
            yield name, list(_of_hyperparameters(given.get("HyperParameters")))
        elif "createHyperParameterTuningJob" in resource:
            yield name, list(_of_search(given))


def _read(handler: str) -> frozenset[str] | None:
    """Return the fields that a handler reads of its event; None without a handler."""
    paths = code.reads(handler)
    return None if paths is None else frozenset(path[0] for path in paths)


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
    given, pointer, read = code.returned(DISPATCHED), code.returned(POINTER), code.reads(handler)
    if given is None or pointer is None or read is None:
        yield f"what is dispatched, or what {handler or 'no function of this deployment'} reads, cannot be read"
        return
    for path in sorted(read | {(name,) for name in _taken(machine)}):
        source, known = (POINTER, pointer) if path[1:2] == (code.EACH,) else (DISPATCHED, given)
        names = path[2:] if source == POINTER else path
        if names and names[0] not in known:
            yield f"{names[0]!r} is read, and {source} does not give it"


def _taken(machine: Machine) -> set[str]:
    """Return the fields of a machine's input that its first state reads, or any by a variable that this one assigns."""
    definition = json.loads(machine.definition)
    first = definition["States"][definition["StartAt"]]
    held = [name for name, value in first.get("Assign", {}).items() if value == INPUT]
    return set(_FIELD_OF_INPUT.findall(str(first))) | {
        field for name in held for field in re.findall(rf"\${name}\.(\w+)", machine.definition)
    }


def _of_answers(task: Mapping[str, Any], machine: Machine, handler: str) -> Iterator[str]:
    """Say which field is taken that a function's answers do not have, where a Map goes through them one by one."""
    following = dict(machine.states()).get(str(task.get("Next")), {})
    if following.get("Type") != "Map":
        return
    if following.get("Items") != INPUT:
        yield f"a Map follows that goes through {following.get('Items')!r}, and not through what {handler} answers"
        return
    answers = code.returned(handler)
    if answers is None:
        yield f"what {handler} answers with is not written out, and a Map goes through it"
        return
    within = str(inner(following))
    yield from (
        f"its function answers with no {each!r}"
        for each in sorted(set(_FIELD_OF_INPUT.findall(within)) - set(answers))
    )
    for variable, name in sorted(set(_HELD.findall(within))):
        known = answers.get(name)
        for field in sorted(set(re.findall(rf"\${variable}\.(\w+)", within)) - set(known or ())):
            if known is not None:
                yield f"its function answers with no {field!r} in {name!r}"


def _of_answer(state: Mapping[str, Any], machine: Machine, handler: str) -> Iterator[str]:
    """Say which field of a function's answer is taken that it does not have, there or from a variable that holds it."""
    assigned = state.get("Assign", {})
    taken = set(_RESULT.findall(str(assigned)))
    for variable, value in assigned.items():
        if value == RESULT:
            taken |= set(re.findall(rf"\${variable}\.(\w+)", machine.definition))
    answered = code.returned(handler)
    if taken and answered is None:
        yield f"what {handler} answers with is not written out, and {', '.join(sorted(taken))} is taken of it"
    yield from (f"its function answers with no {each!r}" for each in sorted(taken - set(answered or taken)))


def _of_command(given: Any) -> Iterator[str]:
    """Say what a job's own parser would refuse."""
    if not isinstance(given, list) or not given:
        yield "its command line is no list"
        return
    script, *words = map(str, given)
    options = _options(script)
    if options is None:
        yield f"there is no {script} in {code.ENTRYPOINTS}"
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
    """Return the options of an entry point's job, read from the calls that add them to its parser."""
    module = code.job_of(script)
    if code.parsed(f"{code.ENTRYPOINTS}/{script}") is None:
        return None
    found = {}
    job = code.parsed(code.path_of(module)) if module else None
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
    if program is not None and code.parsed(f"{code.ENTRYPOINTS}/{program}") is None:
        yield f"there is no {program} in {code.ENTRYPOINTS}"


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
