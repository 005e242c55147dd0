import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from semsched.report.files import OutputError, check_output, write_json, write_rows, write_series
from tests.simulate.test_metrics import make_run

RUN = make_run([3.0, 9.0, 13.0])
RUNS = [RUN, replace(RUN, policy="sjf")]


def test_json_has_a_workload_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    write_json(path, {"name": "hand"}, [{"policy": "fcfs", "e2e_mean": None}])
    assert json.loads(path.read_text()) == {
        "workload": {"name": "hand"},
        "runs": [{"policy": "fcfs", "e2e_mean": None}],
    }


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_are_led_by_their_policy(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    write_rows(path, RUNS)
    read = pl.read_csv(path) if suffix == "csv" else pl.read_parquet(path)
    assert read["policy"].cast(pl.String).to_list() == ["fcfs"] * 3 + ["sjf"] * 3
    assert read["finished_at"].to_list() == [3.0, 9.0, 13.0] * 2


def test_nothing_half_written_takes_the_place_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {}, [{"e2e_mean": float("nan")}])
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(OutputError, match=r"rows\.csv: cannot be written"):
        write_rows(tmp_path / "rows.csv", RUNS)
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "rows.csv", path]


def test_series_are_written(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    write_series(path, RUNS)
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rows.xlsx", r"rows\.xlsx: must end in \.csv or \.parquet"),
        ("nowhere/rows.csv", r"rows\.csv: no such folder"),
        ("folder.csv", r"folder\.csv: exists and is not a regular file"),
        ("link.csv", r"link\.csv: exists and is not a regular file"),
    ],
)
def test_an_output_is_checked_before_the_work(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to("/dev/stdout")
    with pytest.raises(OutputError, match=says):
        check_output(tmp_path / name, (".csv", ".parquet"))


def test_a_good_output_passes(tmp_path: Path) -> None:
    check_output(tmp_path / "rows.csv", (".csv", ".parquet"))
    check_output(tmp_path / "anything")
