"""Task: one scenario under some policies, what a worker does at a time."""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

from semsched.study.scenario import Scenario, scenario_from


@dataclass(frozen=True)
class Task:
    """One scenario under some policies: what a worker does at a time."""

    settings: Mapping[str, Any]
    axes: Mapping[str, Any]
    policies: tuple[str, ...]

    def also(self, policy: str) -> Self:
        """The same scenario under one policy more."""
        return type(self)(self.settings, self.axes, (*self.policies, policy))

    def only(self, policy: str) -> Self:
        """The same scenario under one policy alone."""
        return type(self)(self.settings, self.axes, (policy,))

    def without(self, cells: set[str]) -> Self:
        """The same without the policies whose cells are done."""
        left = tuple(policy for policy in self.policies if self.cell(policy) not in cells)
        return type(self)(self.settings, self.axes, left)

    @cached_property
    def key(self) -> str:
        """The scenario by a name that is the same in every run."""
        return json.dumps(self.settings, sort_keys=True)

    def cell(self, policy: str) -> str:
        """The name of one simulation, the same in every run."""
        inputs = [
            contents(str(self.settings.get(name, ""))) for name in ("trace", "texts", "setting")
        ]
        text = json.dumps([policy, self.key, *inputs, contents(_source_of(policy))])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def scenario(self) -> Scenario:
        """The scenario; raises ValidationError if a setting is wrong."""
        return scenario_from(self.settings)


def contents(path: str) -> str:
    """A digest of a file that a simulation reads; empty if it is no file."""
    if not path or not Path(path).is_file():
        return ""
    return _digest(path, Path(path).stat().st_mtime_ns)


@cache
def _digest(path: str, _: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _source_of(policy: str) -> str:
    module, colon, _ = policy.partition(":")
    spec = importlib.util.find_spec(module) if colon else None
    return (spec.origin or "") if spec else ""
