"""Timeline: what each request was doing, and when; the rows of a Gantt picture."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from semsched.core.batch import Batcher, Step
from semsched.core.cost import StepCost
from semsched.core.memory import KvMemory
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.core.sequence import Sequence
from semsched.policy import Policy
from semsched.simulate.ranks import rank_workload
from semsched.simulate.reference import Reference
from semsched.workload import Workload
from semsched.workload.workload import Floats

STATE = pl.Enum(["waiting", "prefill", "decode", "paused", "swapped"])


def timeline(
    workload: Workload,
    profile: EngineProfile,
    policy: Policy,
    scheduling: Scheduling | None = None,
) -> pl.DataFrame:
    """The intervals in the life of each request, in order of id and time.

    Columns: id, urgency (the true class), state, from_at, to_at (seconds). The intervals of a
    request tile the time from its arrival to its finish; a refused request has none. States:

    - waiting: no seat, nothing lost yet; the predictors' time counts too
    - prefill: seated, with KV to compute or to load
    - decode: seated, its KV complete (in `alternate` also while others prefill)
    - paused: no seat, all its KV resident
    - swapped: no seat, some of its KV taken away, to be loaded or computed again

    What lasts no time is left out. For small cases: every step of the reference simulator is
    run, and each change of the batch costs a look at all requests present.
    """
    scheduling = scheduling or Scheduling()
    reference = Reference(workload, rank_workload(policy, workload), profile, scheduling)
    reference.batcher = witness = Witness(scheduling, reference.cost, reference.memory)
    while reference.step():
        pass
    return _intervals(workload, witness.changes, reference.outcome.finished_at)


class Witness(Batcher):
    """A batcher that notes the state in which each request goes into a step."""

    def __init__(self, scheduling: Scheduling, cost: StepCost, memory: KvMemory) -> None:
        super().__init__(scheduling, cost, memory)
        self.changes: list[tuple[int, float, str]] = []
        """(id, at, state) in order of time; who is not mentioned is waiting."""
        self._states: dict[int, str] = {}
        self._seen = (0, 0, 0)

    def schedule(self, now: float) -> Step:
        """Form the next step; how it leaves the requests is how they stay until the next."""
        step = super().schedule(now)
        seats = self.seats
        # a seat changes hands, KV is taken, a prefill ends: nothing else changes a state
        counts = (seats.num_changes, self.memory.num_evictions, len(seats.prefilling))
        if counts != self._seen:
            self._seen = counts
            for seq, state in self._present():
                self._note(seq.request.id, now, state)
        return step

    def _present(self) -> Iterator[tuple[Sequence, str]]:
        yield from ((seq, "prefill") for seq in self.seats.prefilling)
        yield from ((seq, "decode") for seq in self.seats.decoding)
        yield from ((seq, "paused") for seq in self.seats.paused)
        for seq in self.seats.waiting:
            yield seq, "swapped" if seq.computed > seq.resident else "waiting"

    def _note(self, id: int, now: float, state: str) -> None:
        if self._states.get(id, "waiting") != state:
            self._states[id] = state
            self.changes.append((id, now, state))


def _intervals(
    workload: Workload, changes: list[tuple[int, float, str]], finished_at: Floats
) -> pl.DataFrame:
    """Each state lasts until the next one, the last until the finish."""
    arrivals = [(id, at, "waiting") for id, at in enumerate(workload.arrived_at.tolist())]
    schema = pl.Schema({"id": pl.Int32(), "from_at": pl.Float64(), "state": STATE})
    requests = pl.DataFrame(
        {
            "id": np.arange(len(workload), dtype=np.int32),
            "urgency": workload.urgency,
            "finished_at": finished_at,
        }
    )
    until = pl.col("from_at").shift(-1).over("id").fill_null(pl.col("finished_at"))
    spans = (
        pl.DataFrame(arrivals + changes, schema, orient="row")
        .sort("id", maintain_order=True)
        .join(requests, on="id", maintain_order="left")
        .with_columns(to_at=until)
        .filter(pl.col("finished_at").is_not_nan() & (pl.col("from_at") < pl.col("to_at")))
    )
    return _merged(spans).select("id", "urgency", "state", "from_at", "to_at")


def _merged(spans: pl.DataFrame) -> pl.DataFrame:
    """Neighbours in one state become one; they were parted by a state that took no time."""
    same = pl.struct("id", "state").rle_id().alias("span")
    keep = pl.col("id", "urgency", "state", "from_at").first()
    return spans.group_by(same, maintain_order=True).agg(keep, pl.col("to_at").last())
