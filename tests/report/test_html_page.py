import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from semsched.report.html import ReportError, write_report
from semsched.report.html.findings import Findings
from semsched.report.html.page import MAX_LINES, document, plotly_script, shown_scenarios
from tests.report.results import metadata, results

NASTY = '</script><img src=x onerror="alert(1)">&'


class Tags(HTMLParser):
    """All start tags of a page, and the text of its JSON."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(frame: pl.DataFrame | None = None, **changed: Any) -> str:
    frame = results() if frame is None else frame
    return document(Findings(frame, metadata(**changed)), "/* plotly */")


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r"<script type=.application/json. id=report-data>(.*?)</script>", text)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_file_needs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, results(), metadata())
    text = path.read_text("utf-8")
    assert text.count(plotly_script()) == 1
    assert path.stat().st_size < 5.2e6
    tags = Tags(text.replace(plotly_script(), ""))
    assert len(tags.named("script")) == 3  # data, plotly, ours
    assert not tags.named("link")
    assert not [attributes for _, attributes in tags.tags if "src" in attributes]
    links = [attributes["href"] for attributes in tags.named("a")]
    assert all(link and link.startswith("#") for link in links)
    assert "@import" not in text.replace(plotly_script(), "")


def test_all_sections_are_there_and_linked() -> None:
    tags = Tags(page())
    sections = [attributes["id"] for attributes in tags.named("section")]
    assert sections == [
        "comparison", "e2e", "ttft", "e2e-distribution", "ttft-distribution", "engine", "memory",
        "gantt", "bound", "distance", "explanation", "rebuild",
    ]  # fmt: skip
    assert [attributes["href"] for attributes in tags.named("a")] == [f"#{id}" for id in sections]
    plots = [attributes for attributes in tags.named("div") if attributes.get("class") == "plot"]
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)


def test_how_to_rebuild() -> None:
    text = page()
    for told in ("semsched sweep study", "title = &quot;How load matters&quot;", "2 cores"):
        assert told in text
    assert "`" not in re.findall("<li>.*?</li>", text)[0]
    assert "<li><code>fcfs</code> needs 9 GPUs.</li>" in text


def test_what_was_not_measured_is_left_out() -> None:
    kept = ["policy", "seed", "urgency", "e2e_mean", "load"]
    text = page(results().select(kept), timelines={}, notes=[], experiment="", machine="")
    sections = [attributes["id"] for attributes in Tags(text).named("section")]
    assert sections == ["comparison", "e2e", "explanation", "rebuild"]
    told = text.partition("<script")[0].partition("</style>")[2]
    assert not re.findall("throughput|KV|TTFT|p99|distance|The experiment|machine", told)


def test_policies_never_idle_of_evictions_are_said_to_have_none() -> None:
    text = page()
    assert "None at all: evictions." in text
    titles = [
        each["text"] for each in data_of(text)["pictures"]["engine"]["layouts"][0]["annotations"]
    ]
    assert not [title for title in titles if "evictions" in title]


def test_names_cannot_break_out() -> None:
    frame = results(policies=["fcfs"]).with_columns(policy=pl.lit(NASTY), load=pl.lit(NASTY))
    frame = frame.with_columns(other=pl.col("seed").cast(pl.String) + NASTY, seed=0)
    changed = dict.fromkeys(("title", "description", "command", "experiment", "machine"), NASTY)
    text = page(frame, axes=["load", "other"], timelines={NASTY: []}, notes=[NASTY], **changed)
    tags = Tags(text)
    assert not tags.named("img")
    assert len(tags.named("script")) == 3
    assert not [attributes for _, attributes in tags.tags if "onerror" in attributes]
    style = data_of(text)["pictures"]["e2e"]["styles"][0]
    assert "<" not in style["name"] + style.get("hovertemplate", "").replace("<extra></extra>", "")


def test_every_scenario_can_be_chosen() -> None:
    text = page(results(loads=(0.5, 2.0, 10.0)))
    data = data_of(text)
    assert data["scenarios"] == [["0.5"], ["2"], ["10"]]
    assert data["start"] == 2
    tables = [each for each in Tags(text).named("div") if "data-scenario" in each]
    assert [each["data-scenario"] for each in tables if "hidden" not in each] == ["2"]
    for picture in data["pictures"].values():
        assert len(picture["of_scenario"]) == 3
        assert max(picture["of_scenario"]) == len(picture["variants"]) - 1
        assert {len(each) for each in picture["variants"]} == {len(picture["styles"])}


def test_a_study_without_axes_has_bars_and_no_choice() -> None:
    text = page(results(loads=[1.0]).drop("load"), axes=[], x=None)
    tags, pictures = Tags(text), data_of(text)["pictures"]
    assert not tags.named("select")
    assert {style["type"] for style in pictures["e2e"]["styles"]} == {"bar"}
    assert len(tags.named("table")) == 1
    assert "distance" not in pictures


def test_of_very_many_scenarios_some_are_kept() -> None:
    loads = [1 + load / 1000 for load in range(MAX_LINES)]
    findings = Findings(results(loads=loads, num_seeds=1), metadata())
    shown = shown_scenarios(findings)
    assert len(shown) == MAX_LINES // 2 + 1
    assert findings.busiest == (loads[-1],) == shown[-1]
    assert "of some scenarios only" in document(findings, "")


def test_nothing_to_report() -> None:
    with pytest.raises(ReportError, match="no rows"):
        page(results().clear())


def test_no_plotly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    with pytest.raises(ReportError, match=re.escape("pip install 'semsched[report]'")):
        write_report(tmp_path / "report.html", results(), metadata())
    assert not list(tmp_path.iterdir())
