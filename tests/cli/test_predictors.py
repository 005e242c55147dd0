import json
import sys
from pathlib import Path

import pytest

from semsched.cli import main, predictors
from semsched.errors import InputError
from semsched.predict import urgency
from semsched.predict.embed import Encoder

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


TRIAGED = [
    ("My husband collapsed and is not breathing", 0),
    ("write a story about a heart attack", 4),
    ("explain stroke symptoms for my exam", 3),
    ("write a poem about the sea", 0),
]
"""The last one is labelled wrong."""


@pytest.fixture
def triaged(folder: Path) -> Path:
    path = folder / "triaged.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in TRIAGED]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_eval_urgency_shows_tables(triaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval-urgency", str(triaged)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "triaged.jsonl: 4 texts" in output.out
    for part in ("weighted kappa", "accuracy", "macro-F1", "severe", "over-triage", "calibration"):
        assert part in output.out
    [critical] = [line for line in output.out.splitlines() if "0 critical" in line]
    cells = [int(cell) for cell in critical.split("\u2502")[2:-1]]
    assert cells in ([1, 0, 0, 1, 0], [1, 0, 0, 0, 1])
    assert "0.500 (0.095 .. 0.905)" in output.out  # severe: one of two
    assert "0.000 (0.000 .. 0.658)" in output.out  # over: none of two


def test_eval_urgency_writes_the_figures(triaged: Path, folder: Path) -> None:
    assert main(["eval-urgency", str(triaged), "--json", "figures.json"]) == 0
    figures = json.loads((folder / "figures.json").read_text("utf-8"))
    assert set(figures) == {
        *("file", "num_rows", "accuracy", "macro_f1", "qwk", "qwk_interval"),
        *("severe_under_triage", "over_triage", "calibration_error", "confusion"),
        *("severe_under_triage_interval", "over_triage_interval"),
    }
    texts = [text for text, _ in TRIAGED]
    given = [urgency.UrgencyClassifier().classify(text).urgency for text in texts]
    right = [g == label for g, (_, label) in zip(given, TRIAGED, strict=True)]
    assert figures["accuracy"] == pytest.approx(sum(right) / 4)
    assert figures["severe_under_triage"] == 0.5
    assert figures["num_rows"] == sum(map(sum, figures["confusion"])) == 4


def test_costs_of_the_user_count_in_the_figures(triaged: Path, folder: Path) -> None:
    careful = [[0 if i == j else 1e9 if i == 0 else 1 for j in range(5)] for i in range(5)]
    (folder / "costs.json").write_text(json.dumps(careful), "utf-8")
    assert main(["eval-urgency", str(triaged), "--costs", "costs.json", "--json", "f.json"]) == 0
    confusion = json.loads((folder / "f.json").read_text("utf-8"))["confusion"]
    assert [row[0] for row in confusion] == [sum(row) for row in confusion]


def test_the_name_of_a_triaged_file_is_not_markup(
    triaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    triaged.rename("[red]x.jsonl")
    assert main(["eval-urgency", "[red]x.jsonl"]) == 0
    assert "[red]x.jsonl: 4 texts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval-urgency", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["eval-urgency", "empty.jsonl"], "empty.jsonl: has 0 rows, must have 1 or more"),
        (["eval-urgency", "bad.jsonl"], "bad.jsonl:1: label: must be 0 to 4, got 5"),
        (["eval-urgency", "triaged.jsonl", "--json", "no/f.json"], "no such folder"),
        (["eval-urgency", "triaged.jsonl", "--costs", "bad.jsonl"], "bad.jsonl: costs: must be"),
        (["eval-urgency", "triaged.jsonl", "--urgency-model", "bad.jsonl"], "not an urgency model"),
        (["train-urgency", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["train-urgency", "triaged.jsonl", "bad.jsonl"], "bad.jsonl:1: label: must be 0 to 4"),
        (["train-urgency", "--out", "no/m.npz"], "no such folder"),
    ],
)
def test_what_cannot_be_used_ends_it_in_one_line(
    arguments: list[str],
    says: str,
    triaged: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "empty.jsonl").write_text("\n", "utf-8")
    (folder / "bad.jsonl").write_text('{"text": "x", "label": 5}', "utf-8")
    before = set(folder.iterdir())
    assert triaged in before
    check_fails(arguments, says, capsys)
    assert set(folder.iterdir()) == before


def check_fails(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    assert line.startswith("semsched: error: ")
    assert says in line


@pytest.mark.parametrize("command", ["eval-urgency", "eval-length"])
def test_a_byte_order_mark_is_no_part_of_the_first_row(command: str, folder: Path) -> None:
    rows = '{"text": "x", "label": 3, "len": 3}\n' * 4
    (folder / "marked.jsonl").write_text("\ufeff" + rows, "utf-8")
    assert main([command, "marked.jsonl", "--json", "f.json"]) == 0
    assert json.loads((folder / "f.json").read_text("utf-8"))["num_rows"] == 4


@pytest.mark.parametrize(
    "command",
    [
        "train-urgency first.jsonl kept --out kept",
        "eval-urgency kept --json ./kept",
        "eval-urgency first.jsonl --costs kept --json kept",
        "eval-urgency first.jsonl --urgency-model kept --json kept",
        "eval-length kept --json kept",
    ],
)
def test_no_file_that_is_read_is_written(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = '{"text": "x", "label": 3, "len": 3}\n' * 4
    for name in ("first.jsonl", "kept"):
        (folder / name).write_text(content, "utf-8")
    check_fails(command.split(), "kept: is read, too: write into another file", capsys)
    assert {file.read_text("utf-8") for file in folder.iterdir()} == {content}


@pytest.mark.parametrize("step", ["read_seeds", "to_bytes", "evaluate"])
def test_interrupted_training_leaves_no_file(
    step: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(predictors, "train", lambda _: urgency.shipped().linear)
    monkeypatch.setattr(urgency, step, interrupt)
    assert main(["train-urgency"]) == 130
    output = capsys.readouterr()
    assert output.err.splitlines()[-1] == "semsched: interrupted"
    assert output.out == ""
    assert not list(folder.iterdir())


@pytest.mark.parametrize("module", ["sklearn.linear_model", "scipy.sparse"])
def test_training_without_its_packages_ends_in_one_line(
    module: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    check_fails(["train-urgency"], "pip install 'semsched[train]'", capsys)
    assert not list(folder.iterdir())


def test_training_a_head_without_its_packages_ends_before_any_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise InputError("onnxruntime: not installed")

    monkeypatch.setattr(Encoder, "load", missing)
    monkeypatch.setattr(predictors, "train", None)
    check_fails(["train-urgency", "--embed"], "onnxruntime: not installed", capsys)
    assert not list(folder.iterdir())


def test_train_urgency_learns_texts_of_the_users_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"alarm {i}: the frobnicator is glowing in hall {i * 7}", 0) for i in range(40)]
    rows += [(f"report {i}: the frobnicator was painted", 4) for i in range(40)]
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (folder / "own.jsonl").write_text("\n".join(lines), "utf-8")
    assert main(["train-urgency", "own.jsonl", "--out", "ours.npz"]) == 0
    output = capsys.readouterr()
    num_seeds = len(urgency.read_seeds("train")) + len(rows)
    assert output.err.splitlines() == [f"training on {num_seeds} texts"]
    assert "texts kept apart from training" in output.out
    assert "quadratic weighted kappa" in output.out
    assert {file.name for file in folder.iterdir()} == {"own.jsonl", "ours.npz"}
    ours = urgency.UrgencyClassifier(urgency.load_model(Path("ours.npz")).linear)
    assert ours.classify("alarm: the frobnicator is glowing in hall 7").urgency <= 1
    assert ours.classify("the frobnicator was painted").urgency >= 3
    assert ours.classify("My husband collapsed and is not breathing").urgency == 0
    assert (
        main(
            [
                "predict",
                "alarm: the frobnicator is glowing in hall 7",
                "--urgency-model",
                "ours.npz",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.startswith(("class 0", "class 1"))
