"""Looks: one colour, dash and marker per policy in all figures; one colour per state."""

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple


class Look(NamedTuple):
    """How the lines and bars of a policy look."""

    colour: str
    dash: str
    marker: str


# Okabe and Ito (2008), told apart by the colour-blind; grey for black, no yellow: for any page
KNOWN = {
    "fcfs": Look("#7f7f7f", "solid", "circle"),
    "sjf": Look("#56b4e9", "dash", "square"),
    "pjf": Look("#009e73", "dashdot", "diamond"),
    "semantic": Look("#d55e00", "solid", "star"),
    "aging": Look("#0072b2", "dot", "triangle-up"),
    "edf": Look("#cc79a7", "dash", "cross"),
    "smith": Look("#e69f00", "dashdot", "x"),
}

# Tol's "muted", for policies of other people's
OTHERS = (
    Look("#aa4499", "dot", "triangle-down"),
    Look("#44aa99", "dash", "pentagon"),
    Look("#999933", "dashdot", "hexagon"),
    Look("#882255", "longdash", "hourglass"),
    Look("#6699cc", "dot", "bowtie"),
)

STATES = {
    "waiting": "#c4c4c4",
    "prefill": "#0072b2",
    "decode": "#009e73",
    "paused": "#e69f00",
    "swapped": "#d55e00",
}
"""Of a request, in the order in which it may pass through them."""


def looks(policies: Sequence[str]) -> dict[str, Look]:
    """The look of each policy, whichever others are there too."""
    others = [policy for policy in policies if policy not in KNOWN]
    return {
        policy: KNOWN.get(policy) or OTHERS[others.index(policy) % len(OTHERS)]
        for policy in policies
    }


def trace_of(policy: str, panel: int, **style: Any) -> dict[str, Any]:
    """What every trace of a policy in a panel (from 0) says to plotly."""
    where = {"xaxis": f"x{panel + 1}", "yaxis": f"y{panel + 1}"}
    named = {"name": escape(policy), "legendgroup": policy, "showlegend": panel == 0}
    return {**named, **where, **style}


def line_of(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "dash": look.dash, "width": 2}


def faint(colour: str) -> str:
    """The colour of a confidence band."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
