"""The reference simulator: the core, one step at a time. It is the specification.

Time is exact and repeatable (core/pace.py), so that the kernel, which jumps over whole stretches
of steps, comes to the very same instants.
"""

import numpy as np

from semsched.core.batch import Batcher, Step
from semsched.core.memory import KvMemory
from semsched.core.pace import Pace
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.core.sequence import Sequence
from semsched.request import Rank
from semsched.simulate.ranks import Ranks
from semsched.simulate.run import Outcome, Progress, Served, Totals
from semsched.simulate.series import blank_cursor, blank_points, record, series_of
from semsched.workload import Workload


def run_reference(
    workload: Workload,
    ranks: Ranks,
    profile: EngineProfile,
    scheduling: Scheduling,
    progress: Progress | None = None,
) -> Served:
    """Serve the whole workload, in the words of the core."""
    reference = Reference(workload, ranks, profile, scheduling)
    while reference.step():
        if progress and reference.num_steps % 1000 == 0:
            progress(reference.num_done + reference.num_refused, len(workload))
    series = series_of(reference.points, reference.cursor)
    return Served(reference.outcome, reference.totals, series)


class Reference:
    """One engine in virtual time, serving one workload."""

    def __init__(
        self, workload: Workload, ranks: Ranks, profile: EngineProfile, scheduling: Scheduling
    ) -> None:
        self.workload = workload
        self.ranks = ranks
        self.cost = profile.cost
        self.memory = KvMemory(profile.memory.num_blocks, profile.memory.block_size)
        self.batcher = Batcher(scheduling, self.cost, self.memory)
        self.pace = Pace(self.cost)
        self.outcome = Outcome.blank(len(workload))
        self.points, self.cursor = blank_points(), blank_cursor()
        self.now = 0.0
        self.num_done = self.num_refused = self.num_steps = self.kv_peak_tokens = 0
        self.busy_time = self.kv_token_seconds = 0.0
        self._output_tokens = workload.output_tokens.tolist()
        entering = np.argsort(workload.ready_at, kind="stable")[::-1]
        self._entering = list(zip(workload.ready_at[entering].tolist(), entering, strict=True))
        self._num_changes = -1

    def step(self) -> bool:
        """Run the next step, or wait for the next request; False when all is done."""
        self._enter()
        step = self.batcher.schedule(self.now)
        if step.prefills or step.decodes:
            self._execute(step)
        elif self._entering:
            self.now = self._entering[-1][0]
        else:
            return False
        return True

    def _enter(self) -> None:
        while self._entering and self._entering[-1][0] <= self.now:
            id = int(self._entering.pop()[1])
            request = self.workload.request(id)
            if self.batcher.seats.fits(request):
                self.batcher.seats.add(request, Rank(*(float(c[id]) for c in self.ranks)))
            else:
                self.num_refused += 1

    def _execute(self, step: Step) -> None:
        self._note_change()
        began_at = self.now
        self.now = self.pace.end_of(step, self.batcher.seats.num_changes, began_at)
        emitting = self.batcher.update(step)
        self.num_steps += 1
        self.busy_time += self.now - began_at
        self.kv_token_seconds += self.memory.num_tokens * (self.now - began_at)
        self.kv_peak_tokens = max(self.kv_peak_tokens, self.memory.num_tokens)
        for seq in emitting:
            if seq.emitted == 1:
                self.outcome.first_token_at[seq.request.id] = self.now
        finished = [s for s in emitting if s.emitted == self._output_tokens[s.request.id]]
        if finished:
            self._record()
            for seq in finished:
                self._finish(seq)
            self._record()

    def _note_change(self) -> None:
        seats = self.batcher.seats
        if seats.num_changes == self._num_changes:
            return
        self._num_changes = seats.num_changes
        for seq in (*seats.prefilling, *seats.decoding):
            if np.isnan(self.outcome.started_at[seq.request.id]):
                self.outcome.started_at[seq.request.id] = self.now
        self._record()

    def _record(self) -> None:
        """A point of the series: where the batch changes, before and after somebody leaves."""
        seats, tokens = self.batcher.seats, self.memory.num_tokens
        record(self.points, self.cursor, self.now, tokens, seats.num_running, seats.num_idle)

    def _finish(self, seq: Sequence) -> None:
        self.batcher.seats.remove(seq, self.now)
        id, outcome = seq.request.id, self.outcome
        outcome.finished_at[id] = self.now
        outcome.queue_time[id] = self.now - seq.request.arrived_at - seq.seated_time
        outcome.num_preemptions[id] = seq.num_preemptions
        outcome.recomputed_tokens[id] = seq.recomputed_tokens
        outcome.swapped_tokens[id] = seq.swapped_tokens
        self.num_done += 1

    @property
    def totals(self) -> Totals:
        """The counts of the run so far."""
        return Totals(
            num_refused=self.num_refused,
            num_steps=self.num_steps,
            num_evictions=self.memory.num_evictions,
            busy_time=self.busy_time,
            kv_token_seconds=self.kv_token_seconds,
            kv_peak_tokens=self.kv_peak_tokens,
        )
