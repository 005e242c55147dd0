"""The Gantt picture: what each request of a small case was doing, and when."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from semsched.report.html.looks import STATES
from semsched.report.html.picture import Json, Panel, Picture

Interval = Mapping[str, Any]

MAX_SIDES = 2
"""Policies that are compared: the first and the last that there are."""

ROW_HEIGHT, MIN_HEIGHT = 9, 260
"""Pixels: of a request, and of all."""


def gantt(timelines: Mapping[str, Sequence[Interval]], num_scenarios: int) -> Picture | None:
    """A row per request, the most urgent on top, by arrival within a class; None from nothing."""
    sides = {policy: intervals for policy, intervals in timelines.items() if intervals}
    chosen = list(sides)[:1] + list(sides)[1:][1 - MAX_SIDES :]
    if not chosen:
        return None
    intervals = [interval for policy in chosen for interval in sides[policy]]
    rows = _rows(intervals)
    axis, span = _axis(rows), _span(intervals)
    return Picture(
        name="gantt",
        title="Who ran when",
        caption="A small case of its own. Each line is a request: the most urgent on top, within "
        "a class by arrival. It begins when the request arrives and ends with its last token.",
        panels=[Panel(escape(policy), "time (s)", "", {"range": span}, axis) for policy in chosen],
        styles=[
            _style(state, panel, [sides[before] for before in chosen[:panel]])
            for panel in range(len(chosen))
            for state in STATES
        ],
        variants=[[_bars(sides[policy], state, rows) for policy in chosen for state in STATES]],
        of_scenario=[0] * num_scenarios,
        name_of_scenario="",
        panel_height=90 + max(MIN_HEIGHT, ROW_HEIGHT * len(rows)),
        layout={"barmode": "overlay", "bargap": 0.15},
        legend=tuple(STATES.items()),
    )


def _rows(intervals: Sequence[Interval]) -> dict[tuple[int, int], int]:
    """The row of each request, by class and id; a row stays free between classes."""
    arrived: dict[tuple[int, int], float] = {}
    for each in intervals:
        key = (each["urgency"], each["id"])
        arrived[key] = min(each["from_at"], arrived.get(key, each["from_at"]))
    order = sorted(arrived, key=lambda key: (key[0], arrived[key], key[1]))
    classes = sorted({urgency for urgency, _ in order})
    return {key: row + classes.index(key[0]) for row, key in enumerate(order)}


def _span(intervals: Sequence[Interval]) -> list[float]:
    """The same time on all sides, or they could not be compared."""
    first = min(each["from_at"] for each in intervals)
    last = max(each["to_at"] for each in intervals)
    return [first - 0.01 * (last - first), last + 0.02 * (last - first)]


def _axis(rows: Mapping[tuple[int, int], int]) -> Json:
    """A label in the middle of each class."""
    of_class: dict[int, list[int]] = {}
    for (urgency, _), row in rows.items():
        of_class.setdefault(urgency, []).append(row)
    return {
        "range": [max(rows.values()) + 0.6, -0.6],
        "tickvals": [sum(own) / len(own) for own in of_class.values()],
        "ticktext": [f"class {urgency}" for urgency in of_class],
        "ticks": "",
        "showgrid": False,
    }


def _style(state: str, panel: int, before: Sequence[Sequence[Interval]]) -> Json:
    """How a state looks; in a legend it is named where it is first seen."""
    named = any(each["state"] == state for intervals in before for each in intervals)
    return {
        "type": "bar",
        "orientation": "h",
        "name": state,
        "legendgroup": state,
        "showlegend": not named,
        "marker": {"color": STATES[state], "line": {"width": 0}},
        "xaxis": f"x{panel + 1}",
        "yaxis": f"y{panel + 1}",
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _bars(intervals: Sequence[Interval], state: str, rows: Mapping[tuple[int, int], int]) -> Json:
    own = [each for each in intervals if each["state"] == state]
    return {
        "base": [round(each["from_at"], 4) for each in own],
        "x": [round(each["to_at"] - each["from_at"], 4) for each in own],
        "y": [rows[each["urgency"], each["id"]] for each in own],
        "customdata": [_told(each) for each in own],
    }


def _told(each: Interval) -> str:
    span = f"{each['from_at']:.2f} to {each['to_at']:.2f} s"
    return f"request {each['id']} (class {each['urgency']}): {each['state']} {span}"
