"""The figures as PNG files, for slides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from semsched.report.html.figures import pictures
from semsched.report.html.findings import Findings
from semsched.report.html.picture import Json, Picture, ReportError

WIDTH, SCALE = 1280, 2
TOP = 96
"""Pixels for the title and the legend."""


def write_pngs(folder: Path, results: pl.DataFrame, metadata: Mapping[str, Any]) -> list[Path]:
    """Write each figure into `folder`; the paths, in order.

    Of the scenarios the one in which requests take longest is drawn.

    Raises ReportError if kaleido or a Chrome to draw with is missing, or the folder is not to be
    written.
    """
    findings = Findings(results, metadata)
    x, at = metadata.get("x"), findings.busiest
    where = {"names": findings.named(at), "families": findings.named(at, without=x), "": ""}
    drawn = pictures(findings, [at])
    paths = [folder / f"{picture.name}.png" for picture in drawn]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{folder}: cannot be written: {error.strerror}") from error
    _render([slide(picture, where[picture.name_of_scenario]) for picture in drawn], paths)
    return paths


def slide(picture: Picture, where: str) -> Json:
    """A picture of its own: with title and legend, on white."""
    columns = max(picture.columns)
    layout = picture.arranged(columns)
    title = {"text": picture.title, "font": {"size": 22}, "subtitle": {"text": where}}
    place = {"x": 0.01, "y": 1, "yanchor": "top", "pad": {"t": 18}}
    own = {
        "width": WIDTH,
        "height": picture.height(columns) + TOP,
        "margin": {**layout["margin"], "l": 84, "t": TOP},
        "paper_bgcolor": "white",
        "font": {**layout["font"], "size": 14, "color": "#222"},
        "title": {**title, **place},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
    }
    return {"data": picture.traces(0), "layout": {**layout, **own}}


def _render(slides: list[Json], paths: list[Path]) -> None:
    try:
        from kaleido import write_fig_from_object_sync
        from kaleido.errors import ChromeNotFoundError
        from plotly.graph_objects import Figure
    except ImportError as error:
        raise ReportError("pictures need kaleido: pip install 'semsched[report]'") from error
    options = {"format": "png", "width": None, "height": None, "scale": SCALE}
    jobs = [
        {"fig": Figure(each).to_dict(), "path": path, "opts": options}
        for each, path in zip(slides, paths, strict=True)
    ]
    try:
        # kaleido would fetch MathJax from the network otherwise
        write_fig_from_object_sync(jobs, kopts={"mathjax": False})
    except ChromeNotFoundError as error:
        raise ReportError(
            "pictures need Chrome or Chromium: install it, or name it in BROWSER_PATH"
        ) from error
