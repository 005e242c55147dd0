"""Workload: the requests of a run as columns, the truth and what is believed of it."""

from dataclasses import dataclass, field, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.request import NUM_CLASSES, Request

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


MAX_SECONDS = 1e9
"""Latest arrival, some thirty years: beyond, a double cannot tell steps of a GPU apart."""


class WorkloadError(InputError):
    """A workload that makes no sense; the message names the place, the field and the mend."""


@dataclass(frozen=True, eq=False)
class Workload:
    """Requests in order of arrival, one array per field, all of the same length.

    Instants are in seconds, lengths in tokens. `output_tokens` and `urgency` are the truth,
    known to the engine and to the report; `predicted_urgency`, `predicted_output_tokens` and
    `ready_at` (when the predictors are done and the request enters the queue) are what a
    scheduler sees. `max_output_tokens` is the limit the client declared. A request's id is
    its position; `tenant` and `text` may be empty. `predicted_p90_tokens` (see `Request`) is 0
    for all unless given. Raises WorkloadError if the columns break any of that.
    """

    name: str
    arrived_at: Floats
    prompt_tokens: Ints
    output_tokens: Ints
    urgency: Ints
    max_output_tokens: Ints
    predicted_urgency: Ints
    predicted_output_tokens: Ints
    ready_at: Floats
    predicted_p90_tokens: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    tenant: tuple[str, ...] = ()
    text: tuple[str, ...] = ()

    @classmethod
    def known(
        cls,
        name: str,
        arrived_at: Floats,
        prompt_tokens: Ints,
        output_tokens: Ints,
        urgency: Ints,
        max_output_tokens: Ints | None = None,
        tenant: tuple[str, ...] = (),
    ) -> Self:
        """A workload whose predictors are perfect and take no time.

        Without `max_output_tokens` every client is taken to declare the longest output.
        """
        if max_output_tokens is None:
            longest = output_tokens.max(initial=1)
            max_output_tokens = np.full(len(output_tokens), longest, dtype=np.int32)
        return cls(
            name=name,
            arrived_at=arrived_at,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            urgency=urgency,
            max_output_tokens=max_output_tokens,
            predicted_urgency=urgency,
            predicted_output_tokens=output_tokens,
            ready_at=arrived_at,
            tenant=tenant,
        )

    def __post_init__(self) -> None:
        if not len(self):
            raise WorkloadError(f"{self.name}: zero requests, there is nothing to simulate")
        if not len(self.predicted_p90_tokens):  # how many zeros, no default can know
            object.__setattr__(self, "predicted_p90_tokens", np.zeros(len(self), dtype=np.int32))
        for column in self.columns():
            if len(getattr(self, column)) != len(self):
                raise WorkloadError(f"{self.name}: {column} has another length than arrived_at")
        for column in ("tenant", "text"):
            if len(getattr(self, column)) not in (0, len(self)):
                raise WorkloadError(f"{self.name}: {column} has another length than arrived_at")
        within = np.abs(self.arrived_at) <= MAX_SECONDS  # NaN is not
        self._demand("arrived_at", within, f"within {MAX_SECONDS:g} seconds of 0")
        self._demand("arrived_at", np.diff(self.arrived_at, prepend=-np.inf) >= 0, "in order")
        in_time = (self.ready_at >= self.arrived_at) & (self.ready_at <= 2 * MAX_SECONDS)
        self._demand("ready_at", in_time, "at or after arrival, and finite")
        for name in ("prompt_tokens", "output_tokens", "predicted_output_tokens"):
            self._demand(name, getattr(self, name) >= 1, "at least 1")
        self._demand("predicted_p90_tokens", self.predicted_p90_tokens >= 0, "at least 0")
        self._demand(
            "output_tokens", self.output_tokens <= self.max_output_tokens, "at most the maximum"
        )
        for name in ("urgency", "predicted_urgency"):
            column = getattr(self, name)
            self._demand(name, (column >= 0) & (column < NUM_CLASSES), "a class 0 to 4")

    def __len__(self) -> int:
        return len(self.arrived_at)

    def _demand(self, column: str, holds: NDArray[np.bool_], what: str) -> None:
        if not holds.all():
            at = int(np.argmin(holds))
            value = getattr(self, column)[at]
            raise WorkloadError(f"{self.name}: request {at}: {column} is {value}, must be {what}")

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of the fields that are arrays."""
        return tuple(column.name for column in fields(cls)[1:10])

    def request(self, id: int) -> Request:
        """What a scheduler may know about request `id`."""
        return Request(
            id=id,
            arrived_at=float(self.arrived_at[id]),
            prompt_tokens=int(self.prompt_tokens[id]),
            urgency=int(self.predicted_urgency[id]),
            predicted_output_tokens=int(self.predicted_output_tokens[id]),
            max_output_tokens=int(self.max_output_tokens[id]),
            tenant=self.tenant[id] if self.tenant else "",
            predicted_p90_tokens=int(self.predicted_p90_tokens[id]),
        )

    def arriving_at(self, arrived_at: Floats) -> Self:
        """The same requests at other instants, the predictors' time kept."""
        return replace(
            self, arrived_at=arrived_at, ready_at=arrived_at + (self.ready_at - self.arrived_at)
        )
