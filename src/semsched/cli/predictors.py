"""The commands about predictors: how good are they on a file?"""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from semsched.cli.commands import one_line_errors
from semsched.predict import length
from semsched.report.files import check_output, replacing


def eval_length(file: Path, json_path: Path | None) -> None:
    """Evaluate the length predictor on `file`, print a table, write the figures if asked."""
    with one_line_errors():
        if json_path:
            check_output(json_path)
        figures = length.evaluate(*length.read_lengths(file))
        if json_path:
            text = json.dumps({"file": str(file), **asdict(figures)}, indent=2, allow_nan=False)
            with replacing([json_path]) as parts:
                parts[json_path].write_text(text + "\n", "utf-8")
    Console().print(_table(figures, file))


def _table(figures: length.Evaluation, file: Path) -> Table:
    table = Table(title=f"{escape(file.name)}: {figures.num_rows} prompts", title_justify="left")
    for column in ("", "Kendall tau", "log-MAE", "P90 coverage"):
        table.add_column(column, justify="right" if column else "left")
    cold = (figures.cold_tau, figures.cold_log_mae)
    table.add_row("cold, all rows", *(f"{figure:.3f}" for figure in cold), "")
    online = (figures.online_tau, figures.online_log_mae, figures.p90_coverage)
    table.add_row("online, second half", *(f"{figure:.3f}" for figure in online))
    return table
