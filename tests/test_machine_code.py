import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import semsched
from semsched.machine_code import MachineCode, direct
from semsched.predict.length import kernel as length
from semsched.predict.length.ngrams import NUM_BUCKETS
from semsched.predict.urgency.kernel import compile as urgency
from semsched.simulate.kernel import compile as simulation
from semsched.simulate.kernel.compile import CODE

COMPILE = """
import numpy as np
from semsched.simulate.kernel.compile import CODE
from semsched.simulate.kernel.heap import ranks_before
from semsched.simulate.kernel.state import REQUEST

was_cached = CODE.is_cached()
assert ranks_before(np.zeros(2, REQUEST), 0, 1)
CODE.note_cached()
print(was_cached, CODE.is_cached(), sum(ranks_before.stats.cache_hits.values()), CODE.folder)
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


def test_compiling_is_announced_once(tmp_path: Path) -> None:
    run_kernel(dict(os.environ))  # compiles unless another test has
    copy = tmp_path / "semsched" / CODE.folder.name
    shutil.copytree(CODE.folder, copy, ignore=shutil.ignore_patterns("compiled-*", "*.tmp.*"))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    said = [run_kernel(environment) for _ in range(2)]
    assert said == ["compiling the simulation kernel: half a minute, once\n", ""]


RUN_KERNEL = """
from semsched.core.profile import load_profile
from semsched.policy import POLICIES
from semsched.simulate import simulate
from semsched.workload import paper
simulate(paper(), load_profile("A100_4B"), POLICIES["fcfs"])
"""


def run_kernel(environment: dict[str, str]) -> str:
    """What a process that simulates says meanwhile."""
    command = [sys.executable, "-c", RUN_KERNEL]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stderr


@pytest.mark.parametrize("code", [simulation.CODE, urgency.CODE, length.CODE])
def test_where_constants_come_from_is_part_of_the_key(code: MachineCode) -> None:
    root = Path(semsched.__file__).parent
    keyed = {path for source in code.sources for path in files_in(root / source)}
    for path in keyed:
        if "compiled\n" in path.read_text("utf-8"):  # a decorator
            missing = {root / module for module in constants_of(path)} - keyed
            assert not missing, path


def test_what_is_called_directly_is_the_same_and_takes_no_other_array() -> None:
    text, flags, found = b" a b ", np.zeros(NUM_BUCKETS, np.bool_), np.zeros(99, np.intp)
    distinct = direct(length.distinct, text, flags, found)
    num = distinct(b" one two ", flags, found)
    direct_found = found[:num].tolist()
    length.forget(flags, found, num)
    assert num == length.distinct(b" one two ", flags, found)
    assert found[:num].tolist() == direct_found
    with pytest.raises(TypeError):
        distinct(b" one two ", flags, found.astype(np.int32))


def files_in(source: Path) -> list[Path]:
    return list(source.glob("*.py")) if source.is_dir() else [source]


def constants_of(path: Path) -> set[str]:
    """Our modules whose constants a file uses."""
    return {
        f"{module.removeprefix('semsched.').replace('.', '/')}.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (module := node.module or "").startswith("semsched.")
        if any(alias.name.isupper() for alias in node.names)
    }
