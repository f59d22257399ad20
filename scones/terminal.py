"""What the command line prints: tables, and progress where there is a terminal to show it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import dumps
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from scones.classification import Decision, Progress
    from scones.doctor.row import Row
    from scones.video import Seen

STATUS_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not checked": "yellow"}
OUTCOME_STYLES = {"routed": "green", "review": "yellow", "rejected": "red"}
NOTES = Console(stderr=True, highlight=False)
"""Progress and remarks go to stderr, so that stdout holds the result alone."""
RESULT = Console(highlight=False)


def printable(text: str) -> str:
    """Return a text with what no terminal prints as its escape: who may name an object must not rule the screen."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def note(text: str) -> None:
    """Print a remark."""
    NOTES.print(Text(printable(text)), soft_wrap=True)


def decisions_table(decisions: Sequence[Decision]) -> Table:
    """Lay the decisions out, one row per image, under the folder that their objects share."""
    objects = [each.object for each in decisions]
    folder = "".join(posixpath.commonprefix(objects).rpartition("/")[:2])
    table = Table(box=None, pad_edge=False, title=Text(folder, "dim"), title_justify="left")
    table.add_column("object", overflow="ellipsis", no_wrap=True)
    for heading in ("outcome", "class"):
        table.add_column(heading, overflow="fold")
    table.add_column("confidence", justify="right")
    table.add_column("route")
    table.add_column("ms", justify="right")
    for each in decisions:
        outcome = each.outcome or "none in time"
        table.add_row(
            Text(printable(each.object.removeprefix(folder))),
            Text(outcome, style=OUTCOME_STYLES.get(outcome, "bold red")),
            Text(each.predicted or each.reason or ""),
            "" if each.confidence is None else f"{each.confidence:.3f}",
            Text(each.route or ""),
            "" if each.milliseconds is None else f"{each.milliseconds:.0f}",
        )
    return table


def print_decisions(decisions: Sequence[Decision]) -> None:
    """Print a table to a terminal, and unwrapped tab-separated rows to a pipe."""
    if RESULT.is_terminal:
        RESULT.print(decisions_table(decisions))
        return
    for each in decisions:
        typer.echo("\t".join((each.object, *_cells(each))))


def print_seen(seen: Seen, *, json: bool) -> None:
    """Print one frame's decision: a line of JSON, or its time and tab-separated fields."""
    if json:
        typer.echo(dumps({"seconds": round(seen.seconds, 3), **seen.decision.row()}, ensure_ascii=False))
        return
    minutes, seconds = divmod(seen.seconds, 60)
    cells = [f"{int(minutes // 60)}:{int(minutes % 60):02}:{seconds:06.3f}", *_cells(seen.decision)]
    if RESULT.is_terminal:
        style = OUTCOME_STYLES.get(seen.decision.outcome or "", "bold red")
        RESULT.print(Text(printable("  ".join(each for each in cells if each)), style=style), soft_wrap=True)
    else:
        typer.echo("\t".join(cells))


def _cells(decision: Decision) -> tuple[str, ...]:
    return (
        *(decision.outcome or "", decision.predicted or ""),
        *("" if decision.confidence is None else f"{decision.confidence:.4f}", decision.route or ""),
        "" if decision.milliseconds is None else f"{decision.milliseconds:.0f}",
        " ".join((decision.reason or "").split()),
    )


@contextmanager
def classifying() -> Iterator[tuple[Progress, Progress]]:
    """Show how many images are sent and how many decided, on a terminal only."""
    if not NOTES.is_terminal:
        yield _quiet, _quiet
        return
    from rich.progress import Progress as Bars  # noqa: PLC0415  # only a terminal pays for it

    with Bars(console=NOTES, transient=True) as bars:
        sent, decided = bars.add_task("sent", total=None), bars.add_task("decided", total=None)
        yield (
            lambda done, total: bars.update(sent, completed=done, total=total),
            lambda done, total: bars.update(decided, completed=done, total=total),
        )


def print_overview(state: dict[str, Any]) -> None:
    """Print a deployment's state."""
    table = Table(box=None, pad_edge=False, show_header=False, title=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def row(what: str, said: str) -> None:
        table.add_row(what, Text(said))

    row("deployment", f"{state['deployment']} on {state['where']}")
    for name, status in state["stacks"].items():
        row("stack", f"{name}  {status}")
    endpoint = state["endpoint"]
    shadow = endpoint.pop("in its shadow", "")
    way = f"paused since {state['paused_since']}: `scones resume`" if state["paused_since"] else ""
    if way and state["images_taken"]:
        way += ", but images are taken from the queue, and fail: `scones pause` again closes it"
    if not way and state["images_taken"] is False:
        way = (
            "images wait in the queue, and nothing takes them to it: unless a pause or a resumption is under way, "
            "one was interrupted: `scones resume` finishes it"
        )
    row("endpoint", "  ".join((*endpoint.values(), *([way] if way else ()))) or "none")
    if shadow:
        row("shadow", f"{shadow}  answers nobody")
    champion = state["champion"]
    row("champion", "  ".join(f"{k}={v}" for k, v in champion.items()) if champion else "none")
    for name, depth in state["queues"].items():
        row("queue", f"{name}: " + ", ".join(f"{count} {what}" for what, count in depth.items()))
    for each in state["trainings"]:
        row("training", f"{each['name']}  {each['status']}  {each['started']}")
    RESULT.print(table)


def print_rows(rows: Sequence[Mapping[str, Any]], *, json: bool, none: str) -> None:
    """Print rows that have the same fields: JSON, a table to a terminal, tab-separated rows to a pipe.

    Parameters
    ----------
    none
        What to say where there are none, beside the result: a pipe stays empty.
    """
    if json:
        typer.echo(dumps(list(rows), indent=2, ensure_ascii=False))
        return
    if not rows:
        typer.echo(none, err=True)
        return
    if not RESULT.is_terminal:
        for each in rows:
            typer.echo("\t".join(" ".join(str(cell).split()) for cell in each.values()))
        return
    table = Table(box=None, pad_edge=False)
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), overflow="fold")
    for each in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in each.values()))
    RESULT.print(table)


def print_cost(found: Mapping[str, Any]) -> None:
    """Print what runs and what it costs."""
    for each in found["running"]:
        price = each["dollars_per_hour"]
        said = "no price is known" if price is None else f"${price:.3f} per hour"
        typer.echo(f"{each['what']}\t{each['count']} x {each['instance_type']}\t{said}")
    if not found["running"]:
        typer.echo("Nothing runs.")
    typer.echo(f"together\t${found['dollars_per_hour']:.3f} per hour")
    typer.echo(f"1,000 images\t{found['thousand_images']}")
    typer.echo(f"List prices of {found['region']}, {found['as_of']}: {found['source']}")


def print_examination(rows: Sequence[Row]) -> None:
    """Print what the doctor found: a table to a terminal, unwrapped tab-separated rows to a pipe."""
    if not RESULT.is_terminal:
        for each in rows:
            typer.echo("\t".join((each.item, each.status, each.found, each.advice)).rstrip("\t"))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("item", "status", "found", "what to do"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "status")
    for each in rows:
        status = Text(each.status, STATUS_STYLES[each.status])
        table.add_row(Text(each.item), status, Text(each.found), Text(each.advice))
    RESULT.print(table)


def _quiet(done: int, total: int) -> None:
    """Progress for a pipe: none."""
