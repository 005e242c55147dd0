import os
import subprocess
import sys
from pathlib import Path

import pytest

LINES = 2_000
"""More rows than a pipe or a buffer holds."""


@pytest.mark.parametrize(
    "arguments", [["predict", "x"], ["predict", "--file", "in.jsonl"], ["--help"], ["--version"]]
)
def test_a_reader_who_has_gone_is_no_failure(arguments: list[str], folder: Path) -> None:
    (folder / "in.jsonl").write_text('{"text": "hello"}\n' * LINES, "utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "semsched", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_may_go_in_the_middle(folder: Path) -> None:
    (folder / "in.jsonl").write_text('{"text": "hello"}\n' * LINES, "utf-8")
    command = [sys.executable, "-m", "semsched", "predict", "--file", "in.jsonl"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith(b"{")
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0
