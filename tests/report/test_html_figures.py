import base64
import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from semsched.report.html import ReportError, write_pngs
from semsched.report.html.figures import pictures
from semsched.report.html.findings import Findings
from semsched.report.html.gantt import gantt
from semsched.report.html.looks import KNOWN, STATES, looks
from semsched.report.html.picture import Picture, to_json
from tests.report.results import metadata, results


def drawn(frame: pl.DataFrame | None = None, **changed: Any) -> dict[str, Picture]:
    findings = Findings(results() if frame is None else frame, metadata(**changed))
    return {picture.name: picture for picture in pictures(findings, findings.scenarios)}


@pytest.mark.parametrize("x", ["load", None])
def test_plotly_takes_every_picture(x: str | None) -> None:
    figure = importlib.import_module("plotly.graph_objects").Figure
    for picture in drawn(x=x).values():
        for columns in picture.columns:
            figure({"data": picture.traces(0), "layout": picture.arranged(columns)})


def test_lines_and_bands_are_the_estimates() -> None:
    picture = drawn()["e2e"]
    findings = Findings(results(), metadata())
    lines = {
        (trace["name"], trace["xaxis"]): trace
        for trace in picture.traces(0)
        if trace["mode"] == "lines+markers"
    }
    line = lines["semantic", "x2"]  # the second panel: class 0
    estimate = findings.estimate("e2e_mean", "semantic", "0", (1.0,))
    assert estimate is not None
    assert estimate.half is not None
    assert line["x"] == [0.5, 1.0]
    assert line["y"][1] == pytest.approx(estimate.mean, rel=1e-4)
    band = next(each for each in picture.traces(0) if each.get("fill") and each["xaxis"] == "x2"
                and each["name"] == "semantic")  # fmt: skip
    assert band["x"] == [0.5, 1.0, 1.0, 0.5]
    assert band["y"][1:3] == pytest.approx(
        [estimate.mean + estimate.half, estimate.mean - estimate.half], rel=1e-4
    )


def test_no_band_from_one_seed() -> None:
    bands = [each for each in drawn(results(num_seeds=1))["e2e"].traces(0) if each.get("fill")]
    assert bands
    assert not any(band["x"] for band in bands)


@pytest.mark.parametrize(
    ("loads", "kind"),
    [([0.5, 1.0], "linear"), ([1.0, 2.0, 100.0], "log"), ([0.0, 0.01, 1.0], "category")],
)
def test_crowded_axes_are_spread(loads: list[float], kind: str) -> None:
    assert drawn(results(loads=loads))["e2e"].panels[0].x["type"] == kind


def test_settings_that_are_no_numbers_stand_side_by_side() -> None:
    frame = results().with_columns(load=pl.col("load").cast(pl.String))
    axis = drawn(frame)["e2e"].panels[0].x
    assert axis["categoryarray"] == ["0.5", "1.0"]


def test_panels_do_not_overlap() -> None:
    picture = drawn()["e2e"]
    for columns in picture.columns:
        layout = picture.arranged(columns)
        boxes = [
            (*layout[f"xaxis{n}"]["domain"], *layout[f"yaxis{n}"]["domain"]) for n in (1, 2, 3)
        ]
        for one in boxes:
            assert 0 <= one[0] < one[1] <= 1
            assert 0 <= one[2] < one[3] <= 1
            assert not [
                other
                for other in boxes
                if other != one and one[0] < other[1] and other[0] < one[1]
                and one[2] < other[3] and other[2] < one[3]
            ]  # fmt: skip


def test_policies_look_the_same_everywhere() -> None:
    assert looks(["smith", "fcfs"]) == {name: KNOWN[name] for name in ("smith", "fcfs")}
    assert len({look.colour for look in KNOWN.values()}) == len(KNOWN)
    mine = looks(["mine:first", "mine:second"])
    assert mine["mine:first"] != mine["mine:second"]


def test_gantt_puts_the_urgent_on_top() -> None:
    picture = gantt(metadata()["timelines"], 2)
    assert picture is not None
    traces = picture.traces(1)
    assert len(traces) == 2 * len(STATES)
    waiting, decode = traces[0], traces[2]
    assert (waiting["base"], waiting["x"], waiting["y"]) == ([0.5], [1.5], [0])
    assert decode["y"] == [3, 1]  # id 0 in class 4, below a free row; id 1 in class 0
    assert decode["customdata"][1] == "request 1 (class 0): decode 1.00 to 3.00 s"
    assert gantt({}, 1) is None


def test_packed_numbers_come_back() -> None:
    values = np.array([0.0, 1.5, 7.25], dtype=np.float32)
    packed = json.loads(to_json({"x": values}))["x"]
    back = np.frombuffer(base64.b64decode(packed["packed"]), "<u2") * packed["scale"]
    assert back == pytest.approx(values, abs=7.25 / 65535)
    assert "<" not in to_json("</script>")


def test_pictures_without_kaleido(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ReportError, match=r"need kaleido: pip install 'semsched\[report\]'"):
        write_pngs(tmp_path, results(), metadata())


def test_pictures_without_a_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    errors = importlib.import_module("kaleido.errors")

    def no_browser(*_: Any, **__: Any) -> None:
        raise errors.ChromeNotFoundError

    monkeypatch.setattr("kaleido.write_fig_from_object_sync", no_browser)
    with pytest.raises(ReportError, match="need Chrome or Chromium"):
        write_pngs(tmp_path, results(), metadata())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="cannot be written"):
        write_pngs(tmp_path / "file" / "folder", results(), metadata())


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs a browser")
def test_pictures(tmp_path: Path) -> None:
    paths = write_pngs(tmp_path / "slides", results(), metadata())
    assert [path.name for path in paths][:2] == ["e2e.png", "ttft.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
