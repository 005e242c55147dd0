"""Figures: a name, a value, a unit, and what it has to reach."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Figure(NamedTuple):
    """One line of the output."""

    name: str
    value: float
    unit: str
    target: str = ""
    """As `<= 10`; empty if there is none."""

    @property
    def is_met(self) -> bool:
        """Whether it reaches its target."""
        if not self.target:
            return True
        sign, limit = self.target.split()
        reached = {
            "<=": self.value <= float(limit),
            ">=": self.value >= float(limit),
            "==": self.value == float(limit),
        }
        return reached[sign]

    def line(self) -> str:
        """Name, value, unit, target and the load of the machine at this moment."""
        said = f"{self.target}: {'met' if self.is_met else 'MISSED'}; " if self.target else ""
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        return f"{self.name:<34} {self.value:>11.4f} {self.unit:<10} [{said}{load}]"


@dataclass(frozen=True)
class Lab:
    """What every bench is given."""

    folder: Path
    """For configurations, journals and logs."""
    full: bool
    """Whether to take the time that the issue asks for."""

    def journal(self, name: str) -> Path:
        """A path for one, where none is: the gateway overwrites no journal."""
        path = self.folder / f"{name}.jsonl"
        path.unlink(missing_ok=True)
        return path


Bench = Callable[[Lab], AsyncIterator[Figure]]


def note(text: str) -> None:
    """Say on stderr how it goes."""
    print(f"  {text}", file=sys.stderr, flush=True)


def quantile(values: Sequence[float], share: float) -> float:
    """NaN of nothing."""
    return float(np.quantile(values, share)) if values else float("nan")


def spread(name: str, values: Sequence[float], unit: str = "ms") -> None:
    """Note the quantiles of `values` (s) in `unit`."""
    scale = 1000 if unit == "ms" else 1
    found = ", ".join(
        f"{label} {quantile(values, share) * scale:.1f}"
        for label, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    )
    note(f"{name}: {found} {unit} of {len(values)}")
