"""EmbeddedEngine: core's scheduler and cost model, stepped by a clock.

Given the instants at which requests arrive, it does what the reference simulator does, step by
step and instant by instant: how late the operating system wakes it changes when tokens are seen,
not what is decided.
"""

import asyncio
from collections import OrderedDict
from itertools import count
from typing import Self

from semsched.core.batch import Batcher, Step
from semsched.core.memory import KvMemory
from semsched.core.pace import Pace
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.core.sequence import Sequence
from semsched.engine.clock import Clock
from semsched.engine.defaults import MAX_NUM_WAITING
from semsched.engine.generation import Generation, Job, Outcome, RefusedError
from semsched.engine.stats import Stats


class EmbeddedEngine:
    """One engine: `async with` runs it. All methods are for the event loop's thread."""

    def __init__(
        self,
        profile: EngineProfile,
        scheduling: Scheduling | None = None,
        *,
        clock: Clock,
        max_num_waiting: int = MAX_NUM_WAITING,
    ) -> None:
        self.profile = profile
        self.clock = clock
        self.max_num_waiting = max_num_waiting
        self.stats = Stats(clock.speed)
        self.memory = KvMemory(profile.memory.num_blocks, profile.memory.block_size)
        self.batcher = Batcher(scheduling or Scheduling(), profile.cost, self.memory)
        self.seats = self.batcher.seats
        self._pace = Pace(profile.cost)
        self._now = 0.0
        self._ids = count()
        self._arriving: OrderedDict[Generation, None] = OrderedDict()
        self._sequences: dict[Generation, Sequence] = {}
        self._generations: dict[Sequence, Generation] = {}
        self._step = Step([], [], 0)
        self._num_changes = self.seats.num_changes
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._now = self.clock.now()
        self._task = asyncio.create_task(self._serve())
        self._task.add_done_callback(self._fail_all)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; what is unfinished fails.

        Raises what the engine died of, if it did, or RuntimeError if its books do not balance.
        """
        if self._task is not None and not self._task.done():
            self._task.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            if not self._task.cancelled() and (error := self._task.exception()):
                raise error
        self.stats.check(self.num_there)

    # --- what clients do -----------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether it takes jobs."""
        return self._task is not None and not self._task.done()

    @property
    def num_running(self) -> int:
        """Requests with a seat."""
        return self.seats.num_running

    @property
    def num_waiting(self) -> int:
        """Requests without one."""
        return len(self._arriving) + self.seats.num_idle

    @property
    def num_there(self) -> int:
        """Requests that have not ended."""
        return len(self._arriving) + len(self._sequences)

    @property
    def num_preemptions(self) -> int:
        """Seats lost to a better request, so far."""
        return self.stats.num_preemptions + sum(s.num_preemptions for s in self._generations)

    def retry_after(self, luck: float) -> float:
        """Seconds of its clients after which to come again; `luck` in [0, 1) spreads them."""
        return self.stats.retry_after(self.num_waiting, self.clock.now(), luck)

    def submit(self, job: Job) -> Generation:
        """Take a job on; its tokens come out of the generation.

        Raises RefusedError, or ValueError for a job that breaks its contract.
        """
        job.check()
        self.stats.submitted += 1
        arrived_at = self.clock.now()
        request = job.request(next(self._ids), arrived_at)
        try:
            self._check(job)
        except RefusedError:
            self.stats.refused += 1
            raise
        if not self.num_waiting:
            self.stats.wait(arrived_at)
        generation = Generation(job, request, self._cancel)
        self._arriving[generation] = None
        self._woken.set()
        return generation

    def _check(self, job: Job) -> None:
        longest = job.prompt_tokens + job.max_output_tokens
        if self.memory.blocks_for(longest) > self.memory.num_blocks:
            raise RefusedError(
                "context_length_exceeded",
                f"{job.prompt_tokens} prompt tokens and at most {job.max_output_tokens} output "
                f"tokens can never fit: this engine holds {self.profile.kv_tokens} tokens",
            )
        if not self.is_running:
            raise RefusedError("shutting_down", "the engine does not run")
        if self.num_waiting >= self.max_num_waiting:
            raise RefusedError("queue_full", f"{self.num_waiting} requests wait for a seat already")

    def _cancel(self, generation: Generation) -> None:
        """Free what it holds, even in the middle of a step, which goes on without it."""
        if generation in self._arriving:
            del self._arriving[generation]
        else:
            seq = self._sequences[generation]
            if seq in self._step.decodes:
                self._step.decodes.remove(seq)
            self._step.prefills[:] = [each for each in self._step.prefills if each.seq is not seq]
            self._forget(generation, seq)
        self._end(generation, "cancelled", max(self.clock.now(), generation.last_token_at))

    # --- what the engine does ------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            await self._go_on()

    def _fail_all(self, _: asyncio.Task[None]) -> None:
        for generation in (*self._arriving, *self._sequences):
            self._end(generation, "failed", max(self._now, generation.last_token_at))
        self._arriving.clear()
        self._sequences.clear()
        self._generations.clear()

    async def _go_on(self) -> None:
        """Run the next step, or wait for the next request."""
        self._enter()
        self._step = self.batcher.schedule(self._now)
        if self._step.prefills or self._step.decodes:
            self._note_starts()
            await self._pass()
            self._book()
        elif self._arriving:
            self._now = max(self._now, next(iter(self._arriving)).request.arrived_at)
        else:
            self._woken.clear()
            await self.clock.wait(self._woken)

    async def _pass(self) -> None:
        """Let the time of the step pass."""
        end = self._pace.end_of(self._step, self.seats.num_changes, self._now)
        self._now = await self.clock.sleep_until(end)
        if self._now != end:
            self._pace.restart()

    def _enter(self) -> None:
        """Those who have arrived by now compete for seats."""
        while self._arriving:
            generation = next(iter(self._arriving))
            request = generation.request
            if request.arrived_at > self._now:
                return
            del self._arriving[generation]
            seq = self.seats.add(request, generation.job.rank(request.arrived_at))
            self._sequences[generation] = seq
            self._generations[seq] = generation

    def _note_starts(self) -> None:
        if self.seats.num_changes == self._num_changes:
            return
        self._num_changes = self.seats.num_changes
        for seq in (*self.seats.prefilling, *self.seats.decoding):
            generation = self._generations[seq]
            if generation.started_at is None:
                self.stats.start(generation, self._now)

    def _book(self) -> None:
        """The step is done: hand out its tokens."""
        emitting = self.batcher.update(self._step)
        self._step = Step([], [], 0)
        for seq in emitting:
            generation = self._generations[seq]
            generation.emitted = seq.emitted
            self.stats.token(generation, self._now)
            if seq.emitted == generation.job.output_tokens:
                self._forget(generation, seq)
                self._end(generation, "finished", self._now)
            else:
                generation.wake()

    def _forget(self, generation: Generation, seq: Sequence) -> None:
        self.seats.remove(seq, self._now)
        self.stats.num_preemptions += seq.num_preemptions
        del self._sequences[generation], self._generations[seq]

    def _end(self, generation: Generation, outcome: Outcome, now: float) -> None:
        self.stats.end(generation, outcome, now)
        generation.wake()
