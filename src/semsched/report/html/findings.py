"""Findings: the results of a study, ready to be told: means over seeds, by scenario and policy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from semsched.report.html.estimate import Estimate
from semsched.report.html.words import ALL, setting_text
from semsched.request import NUM_CLASSES

Scenario = tuple[Any, ...]
"""The values of the axes, in their order."""

GROUPS = (ALL, *(str(urgency) for urgency in range(NUM_CLASSES)))


@dataclass(frozen=True)
class Findings:
    """A results table with its metadata."""

    results: pl.DataFrame
    metadata: Mapping[str, Any]

    @cached_property
    def axes(self) -> list[str]:
        return list(self.metadata["axes"])

    @cached_property
    def policies(self) -> list[str]:
        """In order of appearance."""
        return list(dict.fromkeys(self._columns["policy"]))

    @cached_property
    def scenarios(self) -> list[Scenario]:
        """Every combination of the axes that was simulated, in order."""
        return sorted({scenario for _, _, scenario in self._places}, key=_sortable)

    def values(self, axis: int) -> list[Any]:
        """The values of an axis, in order."""
        values = {(scenario[axis],) for scenario in self.scenarios}
        return [value for (value,) in sorted(values, key=_sortable)]

    @cached_property
    def common(self) -> list[Scenario]:
        """The scenarios that every policy was tried on: only there is a comparison fair."""
        tried = {(policy, scenario) for policy, _, scenario in self._places}
        return [
            scenario
            for scenario in self.scenarios
            if all((policy, scenario) in tried for policy in self.policies)
        ]

    @cached_property
    def num_seeds(self) -> int:
        return len(set(self._columns["seed"]))

    @cached_property
    def groups(self) -> list[str]:
        """All requests, then the classes that have any."""
        return [group for group in GROUPS if self.has("e2e_mean", group)]

    def has(self, metric: str, group: str = ALL) -> bool:
        """Whether `metric` was measured anywhere."""
        pairs = zip(self._columns["urgency"], self._columns.get(metric, ()), strict=False)
        return any(urgency == group and value is not None for urgency, value in pairs)

    def any(self, metric: str) -> bool:
        """Whether `metric` is ever other than 0."""
        return any(self._columns[metric])

    def estimate(self, metric: str, policy: str, group: str, scenario: Scenario) -> Estimate | None:
        """The mean of `metric` over seeds; None where nothing was measured."""
        return Estimate.of(list(self._by_seed(metric, policy, group, scenario).values()))

    def overall(self, metric: str, policy: str, group: str) -> Estimate | None:
        """The mean over the `common` scenarios, each of the same weight, then over seeds.

        A seed that lacks one of the scenarios is left out.
        """
        parts = [self._by_seed(metric, policy, group, scenario) for scenario in self.common]
        seeds = set.intersection(*(set(part) for part in parts)) if parts else set()
        return Estimate.of([_mean(part[seed] for part in parts) for seed in sorted(seeds)])

    def spread(self, metric: str, policy: str, group: str, scenario: Scenario) -> Any:
        """The quantiles of `metric`, each the mean over seeds; None where there are none."""
        values = self._by_seed(metric, policy, group, scenario).values()
        known = [spread.to_numpy() for spread in values if spread is not None]
        return np.mean(known, axis=0) if known else None

    def first(self, metric: str, policy: str, scenario: Scenario) -> Any:
        """What the first seed has of `metric`, over all classes; None if nothing."""
        values = self._by_seed(metric, policy, ALL, scenario).values()
        return next(iter(values), None)

    def named(self, scenario: Scenario, without: str | None = None) -> str:
        """The scenario in words; empty if there is one only."""
        pairs = zip(self.axes, scenario, strict=True)
        return ", ".join(setting_text(axis, value) for axis, value in pairs if axis != without)

    @cached_property
    def busiest(self) -> Scenario:
        """The scenario in which requests take longest, under the slowest policy."""

        def latency(scenario: Scenario) -> float:
            means = [self.estimate("e2e_mean", name, ALL, scenario) for name in self.policies]
            return max((estimate.mean for estimate in means if estimate), default=0.0)

        return max(self.common or self.scenarios, key=latency)

    def _by_seed(self, metric: str, policy: str, group: str, scenario: Scenario) -> dict[Any, Any]:
        column, seeds = self._columns.get(metric), self._columns["seed"]
        places = self._places.get((policy, group, scenario), ())
        return {} if column is None else {seeds[place]: column[place] for place in places}

    @cached_property
    def _places(self) -> dict[tuple[str, str, Scenario], list[int]]:
        """Where in the columns a policy, group and scenario stands."""
        places: dict[tuple[str, str, Scenario], list[int]] = {}
        axes = zip(*(self._columns[axis] for axis in self.axes), strict=True)
        scenarios = axes if self.axes else ((),) * self.results.height
        keys = zip(self._columns["policy"], self._columns["urgency"], scenarios, strict=True)
        for place, key in enumerate(keys):
            places.setdefault(key, []).append(place)
        return places

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """The results by column, in order of seed, and `distance`; lists stay packed."""
        names = pl.col("policy", "urgency").cast(pl.String)
        ordered = self.results.with_columns(names).sort("seed", maintain_order=True)
        if {"weighted_latency_mean", "weighted_latency_bound"} <= set(ordered.columns):
            distance = pl.col("weighted_latency_mean") / pl.col("weighted_latency_bound")
            ordered = ordered.with_columns(distance=distance)
        return {
            column.name: column if column.dtype == pl.List else column.to_list()
            for column in ordered
        }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _sortable(scenario: Scenario) -> list[tuple[str, Any]]:
    """Numbers in their own order and apart from what cannot be compared with them."""
    return [
        ("number", value) if isinstance(value, int | float) else ("text", str(value))
        for value in scenario
    ]
