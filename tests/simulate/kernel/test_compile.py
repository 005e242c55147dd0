import os
import subprocess
import sys
from pathlib import Path

COMPILE = """
import numpy as np
from semsched.simulate.kernel.compile import cache_folder, is_cached
from semsched.simulate.kernel.heap import ranks_before
from semsched.simulate.kernel.state import REQUEST

was_cached = is_cached()
assert ranks_before(np.zeros(2, REQUEST), 0, 1)
print(was_cached, is_cached(), sum(ranks_before.stats.cache_hits.values()), cache_folder())
"""


def run(code: str, cache: Path) -> list[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, env=environment, text=True).split()


def test_machine_code_is_kept_for_the_next_process(tmp_path: Path) -> None:
    first, second = run(COMPILE, tmp_path), run(COMPILE, tmp_path)
    assert first[:3] == ["False", "True", "0"]
    assert second[:3] == ["True", "True", "1"]
    assert first[3] == second[3]
    assert Path(first[3]).parent == tmp_path / "semsched"


def test_without_a_place_for_it_the_kernel_still_runs(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert run(COMPILE, file)[:3] == ["False", "False", "0"]
