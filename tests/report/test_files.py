import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from semsched.report.files import (
    OutputError,
    check_output,
    replacing,
    write_json,
    write_rows,
    write_series,
)
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


def test_files_take_their_places_together_or_not_at_all(tmp_path: Path) -> None:
    old, new = tmp_path / "runs.json", tmp_path / "rows.csv"
    old.write_text("old")

    def half() -> None:
        with replacing([old, new]) as parts:
            write_json(parts[old], {}, [])
            write_rows(tmp_path / "nowhere" / "rows.csv", RUNS)

    with pytest.raises(OutputError, match=r"runs\.json.*rows\.csv: cannot be written"):
        half()
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]
    with replacing([old, new]) as parts:
        write_json(parts[old], {}, [])
        write_rows(parts[new], RUNS)
        assert old.read_text() == "old"
    assert json.loads(old.read_text())["runs"] == []
    assert sorted(tmp_path.iterdir()) == [new, old]


def test_a_disk_that_is_full_is_one_line(tmp_path: Path) -> None:
    """Whoever writes: Python, or polars in its own words."""
    path = tmp_path / "rows.parquet"
    with pytest.raises(OutputError, match="cannot be written"), replacing([path]):
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")
    assert list(tmp_path.iterdir()) == []


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
        ("link.csv", r"link\.csv: is a link: name the file itself"),
        ("n" * 300 + ".csv", r"n\.csv: cannot be written: .*too long"),
    ],
)
def test_an_output_is_checked_before_the_work(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to("/dev/stdout")
    with pytest.raises(OutputError, match=says):
        check_output(tmp_path / name, (".csv", ".parquet"))


@pytest.mark.parametrize("name", ["in.csv", "./in.csv", "hard.csv", "../{}/in.csv"])
def test_an_output_is_none_of_the_inputs_by_whatever_name(tmp_path: Path, name: str) -> None:
    read = tmp_path / "in.csv"
    read.write_text("x")
    (tmp_path / "hard.csv").hardlink_to(read)
    (tmp_path / "other.csv").write_text("x")
    written = tmp_path / name.format(tmp_path.name)
    with pytest.raises(OutputError, match=r"\.csv: is read, too: write into another file"):
        check_output(written, inputs=[tmp_path / "other.csv", None, read])
    assert read.read_text() == "x"


def test_inputs_that_are_not_there_are_left_to_their_reader(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("x")
    for name in ("nowhere.csv", "n" * 300):
        check_output(tmp_path / "out.csv", inputs=[tmp_path / name, None])
        check_output(tmp_path / "new.csv", inputs=[tmp_path / name, tmp_path / "out.csv"])


def test_a_good_output_passes(tmp_path: Path) -> None:
    check_output(tmp_path / "rows.csv", (".csv", ".parquet"))
    check_output(tmp_path / "anything")
