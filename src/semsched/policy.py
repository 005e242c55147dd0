"""Policies: who runs first.

A policy is a callable `policy(request) -> Rank`, called once, when the request arrives. The
built-in ones read only plain fields, so the same line ranks one request or, given a table with
the same columns as arrays, a whole workload at once (`@columnwise`).
"""

import copy
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.request import NUM_CLASSES, Rank, Request

TARGET = np.array([5.0, 15.0, 30.0, 60.0, 120.0])
"""Seconds within which each class wants its answer finished (`edf`, and SLO attainment)."""

PATIENCE = np.array([0.0, 30.0, 60.0, 120.0, 240.0])
"""Head start, in seconds, that a class leaves to the most urgent one (`aging`)."""

WEIGHT = np.array([16.0, 8.0, 4.0, 2.0, 1.0])
"""Cost of a second of latency in each class (`smith`)."""


class Policy(Protocol):
    """Anything that ranks a request."""

    def __call__(self, request: Any, /) -> Rank: ...


class PolicyError(InputError):
    """A policy that cannot be loaded, or breaks the contract; the message says how."""


P = TypeVar("P", bound=Callable[..., Rank])


def columnwise(policy: P) -> P:
    """Mark a stateless policy whose arithmetic also works on whole columns of requests."""
    policy.columnwise = True  # type: ignore[attr-defined]
    return policy


@columnwise
def fcfs(request: Request) -> Rank:
    """First come, first served."""
    return Rank(0.0, request.arrived_at, 0.0)


@columnwise
def sjf(request: Request) -> Rank:  # noqa: ARG001 - the rank is all slope
    """Shortest predicted remaining time first."""
    return Rank(0.0, 0.0, 1.0)


@columnwise
def pjf(request: Request) -> Rank:
    """Most urgent class first, by arrival within a class."""
    return Rank(request.urgency, request.arrived_at, 0.0)


@columnwise
def semantic(request: Request) -> Rank:
    """Most urgent class first, shortest predicted remaining time within it (the paper's)."""
    return Rank(request.urgency, 0.0, 1.0)


def aging_by(patience: Sequence[float] | NDArray[np.float64]) -> Callable[[Request], Rank]:
    """The policy `aging` with other head starts (s, one per class)."""
    head_start = np.asarray(patience, dtype=np.float64)

    @columnwise
    def aging(request: Request) -> Rank:
        """Semantic with a bound on waiting: each class gives the one above a fixed head start."""
        return Rank(0.0, request.arrived_at + head_start[request.urgency], 1.0)

    return aging


aging = aging_by(PATIENCE)


@columnwise
def edf(request: Request) -> Rank:
    """Earliest deadline first: arrival plus the target of the class."""
    return Rank(0.0, request.arrived_at + TARGET[request.urgency], 0.0)


@columnwise
def smith(request: Request) -> Rank:
    """Shortest remaining time divided by the weight of the class (Smith 1956)."""
    return Rank(0.0, 0.0, 1.0 / WEIGHT[request.urgency])


POLICIES: Mapping[str, Policy] = {
    policy.__name__: policy for policy in (fcfs, sjf, pjf, semantic, aging, edf, smith)
}


def load_policy(name: str) -> Policy:
    """A built-in policy by its name, or a user's as `package.module:attribute`.

    A policy may keep state: a class is instantiated without arguments, an instance is copied,
    so that each call gives one that has ranked nothing yet. Raises PolicyError with one line.
    """
    if name in POLICIES:
        return POLICIES[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        known = ", ".join(POLICIES)
        raise PolicyError(f"unknown policy {name!r}: use one of {known}, or package.module:name")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
        tried, fresh = _new(found), _new(found)
    except (Exception, SystemExit) as error:  # whatever a user's module does
        raise PolicyError(f"cannot load policy {name!r}: {error!r}") from error
    check_policy(tried)
    return fresh


def _new(found: Any) -> Policy:
    return found() if isinstance(found, type) else copy.deepcopy(found)  # type: ignore[no-any-return]


def check_policy(policy: Policy) -> None:
    """Public conformance check: raise PolicyError unless `policy` keeps the contract.

    It is tried on requests of every class, short and long, early and late. A rank must be a
    `Rank` of finite numbers with slope >= 0. A policy with state remembers the trial.
    """
    if not callable(policy):
        raise PolicyError(f"a policy must be callable as policy(request) -> Rank, got {policy!r}")
    for request in _samples():
        ask(policy, request)


def ask(policy: Policy, request: Request) -> Rank:
    """The rank of `request`; raises PolicyError if the policy fails or breaks the contract."""
    try:
        rank = policy(request)
    except (Exception, SystemExit) as error:
        raise PolicyError(f"{name_of(policy)} raised {error!r} for {request}") from error
    try:
        check_rank(rank, request)
    except PolicyError as error:
        raise PolicyError(f"{name_of(policy)}: {error}") from error
    return rank


def name_of(policy: Policy) -> str:
    """What to call a policy: the name of the function or of the class."""
    return str(getattr(policy, "__name__", type(policy).__name__))


def check_rank(rank: object, request: Request) -> None:
    """Raise PolicyError unless `rank` is a usable answer to `request`."""
    if not isinstance(rank, Rank):
        raise PolicyError(f"a policy must return a Rank, got {rank!r} for {request}")
    for field, value in zip(Rank._fields, rank, strict=True):
        if not _is_finite_number(value):
            raise PolicyError(f"rank.{field} must be a finite number, got {value!r} for {request}")
    if rank.slope < 0:
        raise PolicyError(
            f"rank.slope must be >= 0, got {rank.slope!r} for {request}: a request that falls "
            "back while it runs would trade its seat to and fro"
        )


def _is_finite_number(value: object) -> bool:
    try:
        return isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def _samples() -> list[Request]:
    grid = [(0.0, 1, 1), (1.5, 500, 250), (1e6, 100_000, 10_000)]
    return [
        Request(urgency * len(grid) + i, at, prompt, urgency, output, 2 * output, "tenant")
        for urgency in range(NUM_CLASSES)
        for i, (at, prompt, output) in enumerate(grid)
    ]
