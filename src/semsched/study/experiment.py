"""Experiment: a question put to many simulations, read from a TOML file.

    title = "How load shapes latency"
    x = "max_concurrent_user_requests"   # the setting to draw along

    [settings]                           # the same everywhere
    gap_num = 20

    [[grid]]                             # every combination; several grids are united
    policy = ["fcfs", "semantic"]
    user_request_gap = [0.01, 0.1]
    max_concurrent_user_requests = [5, 20]

Keys are the settings of `study/settings.py` and `Scheduling`, and `policy`. A key `a+b` gives
both settings the same value. `num_seeds` repeats everything under so many seeds.
"""

import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from semsched.errors import InputError
from semsched.policy import load_policy
from semsched.simulate.metrics import GROUP_METRICS
from semsched.study.scenario import scenario_from
from semsched.study.task import Task

EXPERIMENTS = files("semsched.study") / "experiments"

Figure = Literal[
    "e2e",
    "ttft",
    "e2e-distribution",
    "ttft-distribution",
    "engine",
    "memory",
    "gantt",
    "bound",
    "distance",
]
"""What a report can draw."""


class ExperimentError(InputError):
    """An experiment that cannot be run; the message names the file and the key."""


class Question(BaseModel):
    """What to look for: the least `setting` with which a class does well enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: str
    urgency: Annotated[str, Field(pattern="^(all|[0-4])$")] = "0"
    metric: str = "slo_attainment"
    at_least: float = 0.99
    says: str
    """The answer as a sentence, with {policy} and {value}."""


class Experiment(BaseModel):
    """A grid of simulations. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    text: str
    """The file itself."""
    title: str
    description: str = ""
    x: str | None = None
    num_seeds: Annotated[int, Field(gt=0, le=10_000)] = 5
    settings: dict[str, Any] = {}
    grid: Annotated[list[dict[str, Any]], Field(min_length=1)]
    figures: list[Figure] | None = None
    """Figures that the report draws; all, unless told."""
    timeline: dict[str, Any] | None = None
    """Settings of a small case whose every step is drawn, under the first and last policy."""
    question: Question | None = None

    @cached_property
    def axes(self) -> list[str]:
        """Settings that differ between cells, in order of appearance; not policy and seed."""
        values: dict[str, set[str]] = {}
        for cell in self._combinations():
            for key, value in cell.items():
                if key != "policy":
                    values.setdefault(key.split("+")[0], set()).add(json.dumps(value))
        return [key for key, seen in values.items() if len(seen) > 1]

    @cached_property
    def policies(self) -> list[str]:
        """All policies, in order of appearance."""
        return list(dict.fromkeys(cell["policy"] for cell in self._combinations()))

    def tasks(self) -> list[Task]:
        """All that is to be simulated: a scenario each, with the policies to try on it."""
        tasks: dict[str, Task] = {}
        for seed in range(self.num_seeds):
            for cell in self._combinations():
                settings = {**self.settings, **_split(cell), "seed": seed}
                policy = settings.pop("policy")
                task = Task(settings, {axis: settings.get(axis) for axis in self.axes}, (policy,))
                known = tasks.get(task.key)
                tasks[task.key] = task if known is None else known.also(policy)
        return list(tasks.values())

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        try:
            json.dumps([self.settings, self.grid, self.timeline])
        except TypeError:
            raise ValueError("no setting takes a date or a time") from None
        cells = list(self._combinations())
        if not cells:
            raise ValueError("grid: an empty list leaves nothing to simulate")
        if not all(isinstance(cell.get("policy"), str) for cell in cells):
            raise ValueError("grid: policy is missing, or is no text")
        if "seed" in self.settings or any("seed" in _split(cell) for cell in cells):
            raise ValueError("seed: the seeds are 0 to num_seeds - 1, set num_seeds")
        twice = {key for cell in cells for key in _split(cell)} & self.settings.keys()
        if twice:
            raise ValueError(f"{min(twice)} stands in the settings and in a grid")
        return self

    def _combinations(self) -> Iterator[dict[str, Any]]:
        for grid in self.grid:
            columns = [value if isinstance(value, list) else [value] for value in grid.values()]
            for combination in itertools.product(*columns):
                yield dict(zip(grid, combination, strict=True))


def shipped_experiments() -> list[str]:
    """Names of the experiments that come with the package."""
    return sorted(path.name.removesuffix(".toml") for path in EXPERIMENTS.iterdir())


def load_experiment(
    name: str, *, num_seeds: int | None = None, overrides: Sequence[str] = ()
) -> Experiment:
    """A shipped experiment by its name, or one from a TOML file by its path.

    `overrides` are settings as `key=value` (a TOML value, or plain text) that hold in all cells.
    Raises ExperimentError with one line that names file and key.
    """
    text = _read(name)
    try:
        data = tomllib.loads(text)
        if num_seeds is not None:
            data["num_seeds"] = num_seeds
        named = {"name": Path(name).stem, "text": text}
        Experiment.model_validate({**data, **named})
        _override(data, overrides)
        experiment = Experiment.model_validate({**data, **named})
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{name}: not TOML: {error}") from error
    except ValidationError as error:
        raise ExperimentError(f"{name}: {_first(error)}") from error
    _check(name, experiment)
    return experiment


def _read(name: str) -> str:
    shipped = EXPERIMENTS / f"{name}.toml"
    if shipped.is_file():
        return shipped.read_text("utf-8")
    if not name.endswith(".toml"):
        known = ", ".join(shipped_experiments())
        raise ExperimentError(f"{name}: not known: use one of {known}, or a path to a .toml file")
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{name}: cannot be read: {error}") from error


def _override(data: dict[str, Any], overrides: Sequence[str]) -> None:
    """Let settings hold in all cells; what asked for their variation is void."""
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ExperimentError(f"{override!r}: must be key=value")
        if key == "policy":
            for grid in data["grid"]:
                grid["policy"] = _toml_value(value)
            continue
        for grid in data["grid"]:
            grid.pop(key, None)
        if data.get("x") == key:
            del data["x"]
        if data.get("question") and data["question"]["least"] == key:
            del data["question"]
        data.setdefault("settings", {})[key] = _toml_value(value)


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check(name: str, experiment: Experiment) -> None:
    """Everything that can be known before the first simulation."""
    try:
        for policy in experiment.policies:
            load_policy(policy)
        first_seed = experiment.model_copy(update={"num_seeds": 1})
        for scenario in {_input_of(task): task.scenario() for task in first_seed.tasks()}.values():
            scenario.requests()
        if experiment.timeline is not None:
            scenario_from({**experiment.settings, **experiment.timeline}).requests()
    except ValidationError as error:
        raise ExperimentError(f"{name}: {_first(error)}") from error
    except InputError as error:
        raise ExperimentError(f"{name}: {error}") from error
    if experiment.x is not None and experiment.x not in experiment.axes:
        raise ExperimentError(f"{name}: x: {experiment.x} does not vary in the grid")
    if experiment.question is not None:
        _check_question(name, experiment.question, experiment.axes)


def _input_of(task: Task) -> str:
    """Scenarios that read the same and must fit the same engine need only be tried once."""
    names = (
        "trace",
        "texts",
        "predictor",
        "arrivals",
        "max_prompt_length",
        "max_output_length",
        "setting",
    )
    more = ("block_size", "gpu_memory_utilization")
    return json.dumps([task.settings.get(name) for name in (*names, *more)])


def _check_question(name: str, question: Question, axes: Sequence[str]) -> None:
    if question.least not in axes:
        raise ExperimentError(f"{name}: question.least: {question.least} does not vary in the grid")
    if question.metric not in GROUP_METRICS:
        known = ", ".join(GROUP_METRICS)
        raise ExperimentError(f"{name}: question.metric: must be one of {known}")
    try:
        question.says.format(policy="", value=0)
    except (KeyError, IndexError, ValueError) as error:
        raise ExperimentError(
            f"{name}: question.says: only {{policy}} and {{value}} are known"
        ) from error


def _split(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for keys, value in cell.items() for key in keys.split("+")}


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
