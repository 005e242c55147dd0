import json
from pathlib import Path

import pytest

from semsched.cli import main

ROWS = [(f"Explain subject {i} in {20 + i} words", 30 + 2 * i) for i in range(20)]


@pytest.fixture
def answers(folder: Path) -> Path:
    path = folder / "answers.jsonl"
    lines = [json.dumps({"text": text, "len": length}) for text, length in ROWS]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_eval_length_shows_a_table(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval-length", str(answers)]) == 0
    shown = capsys.readouterr().out
    assert "20 prompts" in shown
    for part in ("Kendall tau", "log-MAE", "P90 coverage", "cold", "online"):
        assert part in shown


def test_eval_length_writes_the_figures(answers: Path, folder: Path) -> None:
    assert main(["eval-length", str(answers), "--json", "figures.json"]) == 0
    figures = json.loads((folder / "figures.json").read_text("utf-8"))
    assert figures["num_rows"] == 20
    assert figures["cold_tau"] == pytest.approx(1)
    assert set(figures) == {
        *("file", "num_rows", "cold_tau", "online_tau"),
        *("cold_log_mae", "online_log_mae", "p90_coverage"),
    }


def test_a_file_name_is_not_markup(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "[red]x.jsonl"
    path.write_text('{"text": "x", "len": 3}\n' * 4, "utf-8")
    assert main(["eval-length", path.name]) == 0
    assert "[red]x.jsonl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "x", "len": -1}', "answers.jsonl:21: len: must be 1 to 1000000, got -1"),
        ('{"text": 7, "len": 1}', "answers.jsonl:21: text: must be a string, got 7"),
        ("nonsense", "answers.jsonl:21: not JSON"),
    ],
)
def test_a_bad_line_ends_it_in_one_line(
    line: str, message: str, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answers.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}")
    assert main(["eval-length", str(answers), "--json", "figures.json"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not Path("figures.json").exists()


@pytest.mark.parametrize("arguments", [["missing.jsonl"], ["answers.jsonl", "--json", "no/f.json"]])
def test_files_that_cannot_be_used_end_it_in_one_line(
    arguments: list[str], answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answers.exists()
    assert main(["eval-length", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("semsched: error: ")
    assert captured.err.count("\n") == 1
