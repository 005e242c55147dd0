import os
import re
import subprocess
import sys
import tomllib
from itertools import pairwise

import pytest

from semsched.cli import main
from semsched.serve.config import GatewayConfig
from semsched.serve.keys import KeyRing


def test_a_new_key_opens_the_gateway_that_is_told_its_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["new-key"]) == 0
    first, lines = capsys.readouterr().out.split("\n", 1)
    key = first.removeprefix("key (shown once): ")
    config = GatewayConfig.model_validate(tomllib.loads(lines))
    granted = KeyRing(config).find([(b"authorization", b"Bearer " + key.encode())])
    assert (granted.tenant, granted.ceiling) == ("NAME", 2)
    assert key not in lines
    assert main(["new-key"]) == 0
    assert key not in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", ["serve", "replay", "new-key"])
def test_help_fits_the_terminal(command: str, width: int) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "semsched", command, "--help"],
        env={**os.environ, "COLUMNS": str(width)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert max(map(len, lines)) == width
    assert "…" not in run.stdout
    paragraphs = run.stdout.partition("╭")[0].split(f"{' ' * width}\n")
    for paragraph in paragraphs:
        whole = [line.rstrip() for line in paragraph.splitlines() if line.strip()]
        for line, following in pairwise(whole):
            first_word = re.match(r"\s*(\S+)", following)
            assert first_word is not None
            assert len(f"{line} {first_word[1]}") > width - 1, "a line ended too early"
