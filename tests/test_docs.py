"""What the README and the documentation show is what happens."""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsched.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, *kinds: str) -> list[str]:
    """The code blocks of those kinds, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [text for kind, text in found if kind in kinds]


def commands(page: Path) -> list[str]:
    """The lines that begin with our command."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("semsched ")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, in which modules are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("mine", None)


def write_files(page: Path, folder: Path) -> None:
    """The files that the page shows: blocks that begin with `# name`; in JSON it is no comment."""
    for block in blocks(page, "python", "toml", "jsonl"):
        name = re.match(r"# (\w+\.\w+)\n", block)
        if name:
            content = block.removeprefix(name[0]) if name[1].endswith(".jsonl") else block
            (folder / name[1]).write_text(content, "utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_python(page: Path, folder: Path) -> None:
    write_files(page, folder)
    for command in commands(page):
        assert main(shlex.split(command)[1:]) == 0, command
    for snippet in blocks(page, "python"):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(snippet, {})  # noqa: S102 - our own documentation


def test_there_is_something_to_run() -> None:
    assert sum(len(commands(page)) for page in PAGES) >= 10


def test_the_table_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    readme = PAGES[0]
    assert main(shlex.split(commands(readme)[0])[1:]) == 0
    [shown] = blocks(readme, "text")
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in shown.splitlines()] == [
        line.rstrip() for line in printed.rstrip().splitlines()
    ]
