import io

import pytest
from rich.console import Console

from semsched.cli import progress


@pytest.mark.parametrize(
    ("is_terminal", "patience", "shown"),
    [(True, -1.0, True), (True, 60.0, False), (False, -1, False)],
)
def test_a_bar_for_long_work_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, patience: float, shown: bool
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", patience)
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=80)
    with progress.progress_bar(console) as advance:
        advance("semantic", 3, 10)
    assert isinstance(console.file, io.StringIO)
    assert ("semantic" in console.file.getvalue()) is shown
