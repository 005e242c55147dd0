"""The commands about predictors: train one, and how good are they on a file?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from semsched.cli.commands import one_line_errors
from semsched.cli.predict import UrgencyOptions
from semsched.predict import length, urgency
from semsched.predict.embed import Encoder
from semsched.predict.urgency.train import check_installed, train, train_head
from semsched.report.files import check_output, replacing
from semsched.request import CLASS_NAMES


def eval_length(file: Path, json_path: Path | None) -> None:
    """Evaluate the length predictor on `file`, print a table, write the figures if asked."""
    with one_line_errors():
        if json_path:
            check_output(json_path, inputs=[file])
        figures = length.evaluate(*length.read_lengths(file))
        _write(json_path, {"file": str(file), **asdict(figures)})
    Console().print(_length_table(figures, file))


def eval_urgency(file: Path, json_path: Path | None, options: UrgencyOptions) -> None:
    """Evaluate the urgency classifier on `file`, print tables, write the figures if asked."""
    with one_line_errors():
        if json_path:
            check_output(json_path, inputs=[file, options.model, options.costs])
        texts, labels = urgency.read_labels(file)
        classifier = options.classifier()
        figures = urgency.evaluate(classifier.predict(texts), labels, classifier.costs)
        _write(json_path, {"file": str(file), **asdict(figures)})
    _show_urgency(figures, file.name)


def train_urgency(files: Sequence[Path], out: Path, embed: bool) -> None:
    """Train on the seeds that come along and on `files`, write the model, show how good it is."""
    with one_line_errors():
        check_output(out, inputs=files)
        check_installed()
        encoder = Encoder.load() if embed else None
        seeds = urgency.read_seeds("train") + [seed for file in files for seed in _given(file)]
        model = _trained(seeds, encoder)
        with replacing([out]) as parts:  # interrupted before the end, it leaves nothing
            parts[out].write_bytes(urgency.to_bytes(model))
            figures = _on_heldout(UrgencyOptions(model=parts[out]).classifier())
    _show_urgency(figures, "texts kept apart from training")


def _trained(seeds: Sequence[urgency.Seed], encoder: Encoder | None) -> urgency.UrgencyModelFile:
    console = Console(stderr=True)
    console.print(f"training on {len(seeds)} texts", highlight=False)
    linear = train(seeds)
    if encoder is None:
        return urgency.UrgencyModelFile(linear)
    console.print("reading them by sentence embedding: about a minute", highlight=False)
    return urgency.UrgencyModelFile(linear, train_head(seeds, encoder))


def _on_heldout(classifier: urgency.UrgencyClassifier) -> urgency.Evaluation:
    seeds = [seed for seed in urgency.read_seeds("heldout") if not seed.is_hard]
    labels = [seed.urgency for seed in seeds]
    return urgency.evaluate(classifier.predict([seed.text for seed in seeds]), labels)


def _given(file: Path) -> list[urgency.Seed]:
    texts, labels = urgency.read_labels(file)
    return [
        urgency.Seed(text, label, why=f"row {i} of {file}", file="given")
        for i, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def _write(json_path: Path | None, figures: dict[str, Any]) -> None:
    if json_path:
        text = json.dumps(figures, indent=2, allow_nan=False)
        with replacing([json_path]) as parts:
            parts[json_path].write_text(text + "\n", "utf-8")


def _length_table(figures: length.Evaluation, file: Path) -> Table:
    table = Table(title=f"{escape(file.name)}: {figures.num_rows} prompts", title_justify="left")
    for column in ("", "Kendall tau", "log-MAE", "P90 coverage"):
        table.add_column(column, justify="right" if column else "left")
    cold = (figures.cold_tau, figures.cold_log_mae)
    table.add_row("cold, all rows", *(f"{figure:.3f}" for figure in cold), "")
    online = (figures.online_tau, figures.online_log_mae, figures.p90_coverage)
    table.add_row("online, second half", *(f"{figure:.3f}" for figure in online))
    return table


def _show_urgency(figures: urgency.Evaluation, name: str) -> None:
    console = Console()
    table = Table(title=f"{escape(name)}: {figures.num_rows} texts", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("quadratic weighted kappa", _around(figures.qwk, figures.qwk_interval))
    table.add_row("accuracy", f"{figures.accuracy:.3f}")
    table.add_row("macro-F1", f"{figures.macro_f1:.3f}")
    severe = _around(figures.severe_under_triage, figures.severe_under_triage_interval)
    table.add_row("severe under-triage (0, 1 called 3, 4)", severe)
    over = _around(figures.over_triage, figures.over_triage_interval)
    table.add_row("over-triage (3, 4 called 0, 1)", over)
    table.add_row("calibration error", f"{figures.calibration_error:.3f}")
    console.print(table)
    console.print(_confusion_table(figures))


def _around(figure: float, interval: tuple[float, float]) -> str:
    """A figure and where it lies with 95 % confidence."""
    low, high = interval
    return f"{figure:.3f} ({low:.3f} .. {high:.3f})"


def _confusion_table(figures: urgency.Evaluation) -> Table:
    table = Table(title="texts of each true class (rows) by class given", title_justify="left")
    table.add_column("")
    for given in range(len(CLASS_NAMES)):
        table.add_column(str(given), justify="right")
    for true, row in enumerate(figures.confusion):
        table.add_row(f"{true} {CLASS_NAMES[true]}", *map(str, row))
    return table
