import subprocess
import sys

import pytest

import semsched.engine


def test_all_that_it_names_is_there_and_nothing_else() -> None:
    for name in semsched.engine.__all__:
        assert getattr(semsched.engine, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nobody'"):
        semsched.engine.Nobody  # noqa: B018


def test_the_command_line_imports_no_engine() -> None:
    code = "import sys, semsched.cli; print(*(m for m in sys.modules if m.startswith('semsched.')))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert "semsched.engine.faults" in loaded
    assert not {"semsched.engine.embedded", "semsched.engine.generation"} & loaded
