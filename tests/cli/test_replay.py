"""`semsched replay`: a day at the gateway is decided again, and what was changed in it is found."""

import asyncio
import json
from pathlib import Path

import polars as pl
import pytest

from semsched.cli import main
from semsched.request import CLASS_NAMES
from tests.serve.live import Live, ask, live

CLASSES = ["critical", "low", "low", "background"]


@pytest.fixture
def journal(folder: Path) -> Path:
    """The journal of a short day: a request for each of CLASSES."""
    path = folder / "journal.jsonl"

    async def scene(there: Live) -> None:
        async def post(priority: str) -> int:
            async with there.http.post("/v1/chat/completions", json=ask(priority=priority)) as said:
                await said.read()
                return said.status

        assert set(await asyncio.gather(*map(post, CLASSES))) == {200}

    live(scene, {"journal": {"path": str(path)}})
    return path


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines(keepends=True)


def test_a_day_is_decided_again(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(journal)]) == 0
    shown = capsys.readouterr().out
    cells = [line.split("│")[1:-1] for line in shown.splitlines() if line.startswith("│")]
    rows = {name.strip(): [cell.strip() for cell in row] for name, *row in cells}
    assert [rows[name][0] for name in CLASS_NAMES] == ["1", "0", "0", "2", "1"]
    assert rows["low"][:-1] == ["2", "2", "0", "0", "0"]
    assert rows["low"][-1].endswith(" s")
    assert rows["standard"] == ["0", "0", "0", "0", "0", "-"]
    assert shown.splitlines()[-1].endswith("acts replayed: 0 differences")


def test_a_decision_that_was_changed_is_shown(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(journal)
    at = next(i for i, line in enumerate(lines) if '"do":"assign"' in line and "embedded" in line)
    journal.write_text(
        "".join([*lines[:at], lines[at].replace('embedded"', 'other"'), *lines[at + 1 :]])
    )
    assert main(["replay", str(journal)]) == 1
    shown = capsys.readouterr()
    assert "acts replayed: 1 difference\n" in shown.out
    [difference] = [line for line in shown.out.splitlines() if line.startswith("line ")]
    assert difference.startswith(f"line {at + 1}: assign: live [[")
    assert '"other"' in difference
    assert shown.err == "semsched: error: the replay decided otherwise\n"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: ["{}\n", *lines[1:]], ":1: not a journal of this version"),
        (lambda lines: [lines[0], "nonsense\n", *lines[1:]], ":2: JSON is malformed"),
        (lambda lines: [lines[0], '{"do":"dance"}\n'], ":2: no act is called 'dance'"),
        (lambda _: [], ":0: not a journal"),
    ],
)
def test_a_file_that_is_no_journal_is_one_line(
    change: object, says: str, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(change)
    journal.write_text("".join(change(lines_of(journal))))
    fails(["replay", str(journal)], says, capsys)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["nowhere"], "nowhere: no such file"),
        (["."], ".: no such file"),
        (["journal.jsonl", "--trace", "journal.jsonl"], "journal.jsonl: is read, too"),
        (["journal.jsonl", "--trace", "nowhere/day.jsonl"], "nowhere/day.jsonl: no such folder"),
    ],
)
@pytest.mark.usefixtures("journal")
def test_a_path_that_cannot_be_used_is_one_line(
    flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(["replay", *flags], says, capsys)


def fails(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert says in line


def test_the_day_goes_into_the_simulator(
    journal: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(journal), "--trace", "day.jsonl"]) == 0
    rows = [json.loads(line) for line in lines_of(folder / "day.jsonl")]
    assert sorted(row["urgency"] for row in rows) == [0, 3, 3, 4]
    assert {row["output_tokens"] for row in rows} == {4}
    capsys.readouterr()
    assert main(["simulate", "--trace", "day.jsonl", "--engine", "reference"]) == 0
    assert "4 requests" in capsys.readouterr().out


def test_the_day_goes_into_a_report(
    journal: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(journal), "--rows", "day.parquet"]) == 0
    rows = pl.read_parquet(folder / "day.parquet")
    assert sorted(rows["urgency"]) == [0, 3, 3, 4]
    assert set(rows["policy"]) == {"semantic"}
    assert main(["report", "day.parquet"]) == 0
    assert (folder / "day.html").stat().st_size > 100_000
    assert capsys.readouterr().err == ""
