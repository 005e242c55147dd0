"""Data flows one way: a package imports only what stands above it (design.md, Layout)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import semsched

SOURCE = Path(semsched.__file__).parent

LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("request",),
    ("belief", "machine_code"),
    ("policy",),
    ("workload",),
    ("predict",),
    ("core",),
    ("simulate",),
    ("study",),
    ("report",),
    ("web",),
    ("serve", "engine"),
    ("cli",),
    ("__main__",),
)
"""From top to bottom; who shares a level may use the other's front door, not its insides."""

NARROWER = {"core": {"errors", "request", "belief"}}
"""The scheduler is pure: it knows requests, ranks and lengths, not where they come from."""

IMPURE = {"asyncio", "datetime", "random", "secrets", "socket", "subprocess", "threading", "time"}
"""A scheduler that reads no clock, throws no dice and does no I/O has no use for these."""

MODULES = sorted(SOURCE.rglob("*.py"))


def package_of(module: str) -> str:
    """semsched.core.batch -> core; the front door `semsched` itself -> ''."""
    return [*module.split("."), ""][1]


def name_of(path: Path) -> str:
    return ".".join(("semsched", *path.relative_to(SOURCE).with_suffix("").parts))


def imports(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything `source` imports, wherever in the file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            stem = ".".join([*parents, node.module] if node.module else parents)
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)


def allowed(package: str) -> set[str]:
    """What `package` may import of semsched, itself aside."""
    at = next(i for i, level in enumerate(LEVELS) if package in level)
    above = {name for level in LEVELS[:at] for name in level}
    return NARROWER.get(package, above)


def is_front_door(package: str, name: str) -> bool:
    """Whether `name` is the face of a neighbour on the same level, not its insides."""
    neighbours = next(level for level in LEVELS if package in level)
    return package_of(name) in neighbours and name.count(".") <= 2 and not _is_module(name)


def _is_module(name: str) -> bool:
    path = SOURCE.joinpath(*name.split(".")[1:])
    return name.count(".") > 1 and (path.is_dir() or path.with_suffix(".py").is_file())


def breaches(source: str, module: str) -> list[str]:
    """One line for each import in `module` that points the wrong way."""
    package = package_of(module)
    found = []
    for line, name in imports(source, module):
        target = package_of(name)
        if not name.startswith("semsched.") or target == package or not _is_package(target):
            continue
        if target not in allowed(package) and not is_front_door(package, name):
            may = ", ".join(sorted(allowed(package))) or "nothing of semsched"
            found.append(f"{module}:{line}: {package} must not import {name}; it may import {may}")
    return found


def _is_package(name: str) -> bool:
    return any(name in level for level in LEVELS)


def impurities(source: str, module: str) -> list[str]:
    """One line for each way in which `module` of the core could read a clock or throw dice."""
    found = [
        f"{module}:{line}: core is pure, it must not import {name}"
        for line, name in imports(source, module)
        if name.split(".")[0] in IMPURE or name.startswith("numpy.random")
    ]
    found += [
        f"{module}:{node.lineno}: core is pure, it must not use numpy.random"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"np.random", "numpy.random"}
    ]
    return found


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {package_of(name_of(path)) for path in MODULES} - {"__init__"}
    known = {name for level in LEVELS for name in level}
    assert packages <= known, f"not in design.md's order: {sorted(packages - known)}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_upwards(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        return  # the front door shows what it likes
    found = breaches(path.read_text("utf-8"), name_of(path))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", sorted((SOURCE / "core").rglob("*.py")), ids=name_of)
def test_the_core_reads_no_clock_and_throws_no_dice(path: Path) -> None:
    found = impurities(path.read_text("utf-8"), name_of(path))
    assert not found, "\n".join(found)


# --- the check itself can fail -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("semsched.core.batch", "from semsched.workload import Workload"),
        ("semsched.core.batch", "from semsched.policy import fcfs"),
        ("semsched.request", "import semsched.policy"),
        ("semsched.simulate.run", "from semsched import report"),
        ("semsched.simulate.run", "from ..report.table import table"),
        ("semsched.workload.trace", "def late():\n    from semsched.predict import delay"),
        ("semsched.report.table", "from semsched.cli import main"),
        ("semsched.serve.app", "from semsched.engine.vllm import Engine"),
        ("semsched.engine.vllm", "from semsched.cli import main"),
        ("semsched.web.client", "from semsched.engine import Generation"),
    ],
)
def test_a_wrong_import_is_found(module: str, line: str) -> None:
    (breach,) = breaches(line, module)
    assert breach.startswith(f"{module}:{line.count(chr(10)) + 1}: {package_of(module)} must not")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("semsched.core.batch", "from semsched.request import Rank"),
        ("semsched.core.batch", "from .seats import Seats"),
        ("semsched.predict.delay", "from semsched.workload import Workload"),
        ("semsched.report.table", "from semsched.simulate import run"),
        ("semsched.serve.app", "from semsched.engine import Engine"),
        ("semsched.cli.app", "from semsched import __version__"),
        ("semsched.cli.app", "import numpy, semsched.serve.app"),
    ],
)
def test_a_right_import_passes(module: str, line: str) -> None:
    assert breaches(line, module) == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "import asyncio.events",
        "from random import random",
        "from numpy.random import default_rng",
        "from numpy import random",
        "import numpy as np\nrng = np.random.default_rng()",
    ],
)
def test_an_impurity_is_found(line: str) -> None:
    assert len(impurities(line, "semsched.core.batch")) == 1
