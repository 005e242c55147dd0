"""What the README shows is what happens."""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsched.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line
    for kind, block in BLOCKS
    if kind == "bash"
    for line in block.splitlines()
    if line.startswith("semsched ")
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the README's own files in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for kind, block in BLOCKS:
        name = re.match(r"# (\w+\.py)\n", block)
        if kind == "python" and name:
            (tmp_path / name[1]).write_text(block, "utf-8")
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str) -> None:
    assert main(shlex.split(command)[1:]) == 0


def test_python() -> None:
    snippets = [block for kind, block in BLOCKS if kind == "python"]
    assert len(snippets) == 2
    for snippet in snippets:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(snippet, {})  # noqa: S102 - our own README


def test_the_table_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main(shlex.split(COMMANDS[0])[1:])
    [shown] = [block for kind, block in BLOCKS if kind == "text"]
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in shown.splitlines()] == [
        line.rstrip() for line in printed.rstrip().splitlines()
    ]
