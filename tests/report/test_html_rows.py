import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from semsched.core.profile import load_profile
from semsched.policy import POLICIES
from semsched.report.files import write_rows
from semsched.report.html import results_from_rows, write_report
from semsched.report.rows import RowsError
from semsched.simulate import simulate
from semsched.simulate.metrics import summarise
from semsched.simulate.run import Run
from semsched.workload import clinic
from tests.simulate.test_metrics import make_run

HAND = make_run([3.0, np.nan, 13.0], num_refused=1)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    profile = load_profile("A100_4B")
    return [
        simulate(clinic(), profile, POLICIES[name], policy_name=name)
        for name in ("semantic", "sjf")
    ]


@pytest.fixture(scope="module")
def path(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write_rows(path, runs)
    return path


def test_results_from_rows_are_the_metrics(runs: list[Run], path: Path) -> None:
    results, _ = results_from_rows(path)
    assert results["policy"].unique(maintain_order=True).to_list() == ["semantic", "sjf"]
    for run in runs:
        summary = summarise(run)
        for row in results.filter(pl.col("policy") == run.policy).iter_rows(named=True):
            whole = row["urgency"] == "all"
            expected = summary if whole else summary["by_urgency"][row["urgency"]]
            measured = {key: value for key, value in row.items() if value is not None}
            shared = measured.keys() & expected.keys() - {"policy"}
            assert len(shared) > (30 if whole else 22)
            assert {key: row[key] for key in shared} == pytest.approx(
                {key: expected[key] for key in shared}
            )


def test_quantiles_go_from_the_least_to_the_most(path: Path) -> None:
    results, _ = results_from_rows(path)
    row = results.row(0, named=True)
    spread = row["e2e_quantiles"]
    assert len(spread) == 41
    assert spread[-1] == pytest.approx(row["e2e_max"], rel=1e-6)
    assert spread[20] == pytest.approx(row["e2e_p50"], rel=1e-6)


def test_refused_requests_and_empty_classes() -> None:
    frame = HAND.rows.with_columns(policy=pl.lit("fcfs"))
    results, _ = results_from_rows(frame)
    assert results.filter(urgency="0")["num_requests"].item() == 2
    assert results.filter(urgency="0")["slo_attainment"].item() == 0.5
    assert results.filter(urgency="1")["e2e_quantiles"].item() is None


def test_rows_become_a_page(path: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_report(page, *results_from_rows(path))
    text = page.read_text("utf-8")
    assert "The requests of rows.parquet" in text
    assert f"semsched report {path}" in text
    sections = re.findall(r"<section id=([\w-]+)>", text)
    assert "e2e" in sections
    assert not {"memory", "gantt", "bound", "distance"} & set(sections)


def test_rows_that_lack_something(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_rows(path, [replace(HAND, rows=HAND.rows.drop("queue_time"))])
    with pytest.raises(RowsError, match=r"rows\.parquet: the column queue_time is missing"):
        results_from_rows(path)
    write_rows(path, [replace(HAND, rows=HAND.rows.clear())])
    with pytest.raises(RowsError, match="has no rows"):
        results_from_rows(path)
    path.write_text("nonsense")
    with pytest.raises(RowsError, match="cannot be read") as told:
        results_from_rows(path)
    assert "\n" not in str(told.value)
    with pytest.raises(RowsError, match="cannot be read"):
        results_from_rows(tmp_path / "none.parquet")


def test_a_class_that_does_not_exist() -> None:
    frame = HAND.rows.with_columns(policy=pl.lit("fcfs"), urgency=pl.lit(7))
    with pytest.raises(RowsError, match="cannot be read") as told:
        results_from_rows(frame)
    assert "\n" not in str(told.value)
