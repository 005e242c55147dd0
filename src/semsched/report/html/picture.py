"""Picture: a figure of one or more panels, with a variant for each scenario.

Everything is plain plotly JSON. What stays the same (styles, layout) is kept once, what differs
between scenarios (`Variant`) as often as needed; the page puts them together.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semsched.errors import InputError

Json = dict[str, Any]
Variant = list[Json]
"""The data of every trace, in the order of the styles; empty where a trace has none."""

NOTHING: Json = {"x": [], "y": []}

MAX_COLUMNS = 3
GAP = {1: 0.0, 2: 0.11, 3: 0.075}
"""Between columns, as a share of the width: room for the numbers beside an axis."""

TITLE_HEIGHT, AXIS_HEIGHT = 30, 56
"""Pixels above and below a panel."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


class ReportError(InputError):
    """A report that cannot be made; the message says what is missing."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `x` and `y` are plotly's axis settings beyond the common ones."""

    title: str
    x_title: str
    y_title: str
    x: Mapping[str, Any]
    y: Mapping[str, Any]


@dataclass(frozen=True)
class Picture:
    """A figure. Texts are plain; whoever shows them escapes them."""

    name: str
    title: str
    caption: str
    panels: Sequence[Panel]
    styles: Sequence[Json]
    variants: Sequence[Variant]
    of_scenario: Sequence[int]
    """By scenario: which variant shows it."""
    name_of_scenario: str = "names"
    """What tells variants apart: "names" of scenarios, of "families" along x, or "": nothing."""
    panel_height: int = 290
    layout: Mapping[str, Any] | None = None
    legend: Sequence[tuple[str, str]] = ()
    """Names and colours, for a picture whose colours are not the policies'."""

    @property
    def columns(self) -> list[int]:
        """In how many columns the panels can stand: from a phone's to a wide screen's."""
        return list(range(1, min(MAX_COLUMNS, len(self.panels)) + 1))

    def traces(self, scenario: int) -> list[Json]:
        """What plotly draws for a scenario."""
        data = self.variants[self.of_scenario[scenario]]
        return [{**style, **own} for style, own in zip(self.styles, data, strict=True)]

    def height(self, columns: int) -> int:
        return -(-len(self.panels) // columns) * self.panel_height

    def arranged(self, columns: int) -> Json:
        """plotly's layout with the panels in so many columns."""
        layout: Json = {
            "height": self.height(columns),
            "margin": {"l": 64, "r": 12, "t": 0, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": "#555"},
            "showlegend": False,
            "hovermode": "closest",
            "dragmode": False,
            "template": {"data": {"bar": [{"error_y": _WHISKER}]}},
            "annotations": [self._title(number, columns) for number in range(len(self.panels))],
            **(self.layout or {}),
        }
        for number, panel in enumerate(self.panels):
            layout[f"xaxis{number + 1}"] = self._x_axis(number, panel, columns)
            layout[f"yaxis{number + 1}"] = self._y_axis(number, panel, columns)
        return layout

    def _x_axis(self, number: int, panel: Panel, columns: int) -> Json:
        lowest = number + columns >= len(self.panels)
        own = {"anchor": f"y{number + 1}", "domain": self._width(number, columns)}
        title = {"text": panel.x_title if lowest else "", "standoff": 8}
        return {**_AXIS, **own, "title": title, **panel.x}

    def _y_axis(self, number: int, panel: Panel, columns: int) -> Json:
        leftmost = number % columns == 0
        own = {"anchor": f"x{number + 1}", "domain": self._span(number, columns)}
        title = {"text": panel.y_title if leftmost else "", "standoff": 8}
        return {**_AXIS, "rangemode": "tozero", **own, "title": title, **panel.y}

    def _width(self, number: int, columns: int) -> list[float]:
        gap = GAP[columns]
        width = (1 - gap * (columns - 1)) / columns
        left = number % columns * (width + gap)
        return [round(left, 4), round(min(left + width, 1.0), 4)]

    def _span(self, number: int, columns: int) -> list[float]:
        height = self.height(columns)
        top = height - number // columns * self.panel_height
        bottom = top - self.panel_height + AXIS_HEIGHT
        return [round(bottom / height, 4), round((top - TITLE_HEIGHT) / height, 4)]

    def _title(self, number: int, columns: int) -> Json:
        return {
            "text": f"<b>{self.panels[number].title}</b>" if self.panels[number].title else "",
            "x": self._width(number, columns)[0],
            "y": self._span(number, columns)[1],
            "xref": "paper",
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "bottom",
            "yshift": 4,
            "showarrow": False,
            "font": {"size": 13},
        }


_WHISKER = {"thickness": 1.2, "width": 3, "color": "#888"}

_AXIS: Json = {
    "zeroline": False,
    "gridcolor": "rgba(128,128,128,0.22)",
    "linecolor": "rgba(128,128,128,0.6)",
    "showline": True,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": "rgba(128,128,128,0.6)",
    "fixedrange": True,
}


def rounded(values: Sequence[float]) -> list[float]:
    """More digits than a screen has pixels would only take room."""
    return [float(f"{value:.5g}") for value in values]


def to_json(value: Any) -> str:
    """JSON that may stand in a <script>; arrays are packed."""
    text = json.dumps(value, separators=(",", ":"), default=_packed, allow_nan=False)
    return text.replace("<", "\\u003c")


def _packed(array: Any) -> Json:
    """Numbers from 0 up as 16 bits each, relative to the greatest: finer than any screen."""
    scale = float(f"{array.max(initial=0.0) / 65535:.6g}") or 1.0
    data = np.rint(np.asarray(array) / scale).astype("<u2").tobytes()
    return {"scale": scale, "packed": base64.b64encode(data).decode("ascii")}
