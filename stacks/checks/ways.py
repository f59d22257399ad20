"""The longest way through a state machine, by what each state on it waits for at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx

from stacks.checks.expressions import ways
from stacks.checks.rendering import inner


def longest(machine: Mapping[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Return how many seconds the longest way through a machine's states may take, and the states that take them.

    Of a loop, each state counts once, and so does each state that is tried again: how often either happens is known
    by a run alone. A state without a time of its own takes none. Of branches beside each other the longest counts.
    """
    states = machine["States"]
    graph = networkx.DiGraph()
    graph.add_nodes_from(states)
    graph.add_edges_from(
        (name, after) for name, state in states.items() for after, _ in ways(state) if after in states
    )
    loops = networkx.condensation(graph)
    weights = {
        number: sum(_seconds(states[name]) for name in loops.nodes[number]["members"]) for number in loops
    }
    for number, after in loops.edges:
        loops.edges[number, after]["seconds"] = weights[after]
    start = next(number for number in loops if machine["StartAt"] in loops.nodes[number]["members"])
    reached = loops.subgraph(networkx.descendants(loops, start) | {start})
    way = networkx.dag_longest_path(reached, weight="seconds", default_weight=0)
    way = way if start in way else [start, *way]
    names = [name for number in way for name in loops.nodes[number]["members"] if _seconds(states[name])]
    return sum(weights[number] for number in way), tuple(names)


def _seconds(state: Mapping[str, Any]) -> int:
    own = state.get("TimeoutSeconds", state.get("Seconds"))
    return max([own if isinstance(own, int) else 0, *(longest(each)[0] for each in inner(state))])
