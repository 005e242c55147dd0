"""Seats: who sits in the batch, who waits, and whose KV makes room for whom.

The best waiting request takes a free seat, or that of a running request it may displace, as
long as memory for it can be had; when it cannot, it waits and nobody overtakes it (without
backfill, those who need no prefill may). When memory is short the worst-ranked holder pays, from
the tail and only as much as needed, and never one that ranks better than the asker. The best
request of all is thus never held up: every run ends.

A key only falls while its request runs and never rises, so a request that could not be seated
stays so until somebody arrives, finishes or is paused. That is why `fill` need not look again
at every step, and why the compiled simulator may jump over the steps in between.
"""

from collections.abc import Callable, Iterable

from semsched.core.cost import StepCost, restored_by_swap
from semsched.core.memory import KvMemory
from semsched.core.queue import WaitQueue
from semsched.core.scheduling import Scheduling
from semsched.core.sequence import Key, Sequence
from semsched.request import Rank, Request


class Seats:
    """The seats of one engine; it is told the time and reads no clock."""

    def __init__(self, scheduling: Scheduling, cost: StepCost, memory: KvMemory) -> None:
        self.scheduling = scheduling
        self.cost = cost
        self.memory = memory
        self.waiting: WaitQueue[Sequence] = WaitQueue()
        """Not seated, with KV to compute or to load."""
        self.paused: WaitQueue[Sequence] = WaitQueue()
        """Not seated, all KV resident: ready to decode."""
        self.prefilling: list[Sequence] = []
        self.decoding: list[Sequence] = []
        self.num_changes = 0
        """Times somebody took or left a seat."""
        self.first_token = 1 if scheduling.batching == "chunked" else 0
        """Tokens that the end of a prefill yields."""
        self._may_displace: Callable[[Sequence, Sequence], bool] = {
            "rank": lambda asker, holder: not self._is_safe(holder),  # noqa: ARG005
            "class": self._is_more_urgent,
            "off": lambda asker, holder: False,  # noqa: ARG005
        }[scheduling.preemption]
        """Who may take the seat of whom, given that it ranks better."""
        self._reserves = scheduling.preemption == "off"
        self._backfills = scheduling.backfill or scheduling.batching == "chunked"
        self._tiers: set[float] = set()
        self._settled = True

    # --- who is here ---------------------------------------------------------------------

    @property
    def num_running(self) -> int:
        """Seats taken."""
        return len(self.prefilling) + len(self.decoding)

    @property
    def num_idle(self) -> int:
        """Requests without a seat."""
        return len(self.waiting) + len(self.paused)

    def key(self, seq: Sequence) -> Key:
        """The place of `seq` in the one total order, as of now."""
        return seq.key(self.cost)

    def fits(self, request: Request) -> bool:
        """Whether the engine could ever hold the request with its longest output."""
        longest = request.prompt_tokens + request.max_output_tokens
        return self.memory.blocks_for(longest) <= self.memory.num_blocks

    def add(self, request: Request, rank: Rank) -> Sequence:
        """Let a request that fits wait for its seat."""
        restore = self.scheduling.restore
        seq = Sequence(request, rank, restored_by_swap(self.cost, restore, request.prompt_tokens))
        self._tiers.add(rank.tier)
        self._wait(seq)
        return seq

    def remove(self, seq: Sequence, now: float) -> None:
        """Forget a request, wherever it stands: it has finished, or nobody wants it any more.

        To be called between steps, when the last one is booked and the next not yet formed.
        """
        if seq in self.waiting:
            self.waiting.remove(seq)
        elif seq in self.paused:
            self.paused.remove(seq)
        else:
            self._leave(seq, now)
        self.memory.release(seq)
        self._settled = False

    # --- seats ---------------------------------------------------------------------------

    def fill(self, now: float) -> None:
        """Give seats to the best waiting requests, as far as seats and memory go."""
        if self._settled and not self.scheduling.finish_guard:
            return
        opened = self._backfills
        while True:
            opened = opened or self._prefill_leads()
            if not self._seat_best(opened, now):
                break
        if not self._backfills:  # who needs no prefill may pass one who cannot be seated
            while self._seat_best(False, now):
                pass
        self._settled = True

    def _seat_best(self, fresh: bool, now: float) -> bool:
        best = self._best_idle(fresh)
        if best is None or not self._can_seat(best):
            return False
        self._seat(best, now)
        return True

    def pause(self, seq: Sequence, now: float) -> None:
        """Take the seat of `seq`; its KV stays until somebody needs the room."""
        self._leave(seq, now)
        seq.num_preemptions += 1
        self._wait(seq)

    def _wait(self, seq: Sequence) -> None:
        lag = self.first_token
        ready = seq.resident >= seq.known - lag and seq.emitted >= lag
        (self.paused if ready else self.waiting).push(seq, self.key(seq))
        self._settled = False

    def _leave(self, seq: Sequence, now: float) -> None:
        (self.decoding if seq in self.decoding else self.prefilling).remove(seq)
        seq.seated_time += now - seq.seated_at
        self.num_changes += 1

    def _prefill_leads(self) -> bool:
        """The paper's rule: only a leader that needs prefill opens the batch to prefills.

        To lead it must not be worse than the best of the running, by tier where the policy has
        tiers, by value where it has not; a tie opens.
        """
        if not self.waiting:
            return False
        leader = self.waiting.best()
        key = self.waiting.key(leader)
        if self.paused and self.paused.key(self.paused.best()) < key:
            return False
        depth = 1 if len(self._tiers) > 1 else 2
        running = (*self.prefilling, *self.decoding)
        is_worse = any(self.key(seq)[:depth] < key[:depth] for seq in running)
        return not is_worse and self._can_seat(leader)

    def _best_idle(self, fresh: bool) -> Sequence | None:
        queues = (self.waiting, self.paused) if fresh else (self.paused,)
        bests = [(queue.key(queue.best()), queue.best()) for queue in queues if queue]
        return min(bests)[1] if bests else None

    def _can_seat(self, seq: Sequence) -> bool:
        if self.num_running >= self.scheduling.max_num_seqs and not self._displaceable(seq):
            return False
        short = self._blocks_to_sit(seq) - self.memory.num_free
        return short <= 0 or short <= sum(h.num_blocks for h in self._admission_payers(seq))

    def _seat(self, seq: Sequence, now: float) -> None:
        if self.num_running >= self.scheduling.max_num_seqs:
            self.pause(max(self._displaceable(seq), key=self.key), now)
        num_blocks = self._blocks_to_sit(seq)
        if num_blocks > self.memory.num_free:
            self._make_room(num_blocks, self._admission_payers(seq), now)
        self.memory.take(seq, num_blocks)
        if seq in self.paused:
            self.paused.remove(seq)
            self.decoding.append(seq)
        else:
            self.waiting.remove(seq)
            self.prefilling.append(seq)
        seq.seated_at = now
        self.num_changes += 1

    def _blocks_to_sit(self, seq: Sequence) -> int:
        """A seat takes room up to the next token, or for a whole life where nobody may be cut.

        A life is planned by its P90, or by its limit where no P90 is known. Only there: where
        blocks can be taken back, to set some apart for later costs more seats than it saves.
        """
        if self._reserves:
            limit = seq.request.max_output_tokens
            planned = min(seq.request.predicted_p90_tokens or limit, limit)
            whole_life = seq.request.prompt_tokens + max(planned, seq.emitted + 1)
            return self.memory.missing(seq, whole_life)
        return self.memory.missing(seq, seq.known + 1 - self.first_token)

    # --- preemption ----------------------------------------------------------------------

    def _displaceable(self, asker: Sequence) -> list[Sequence]:
        key, running = self.key(asker), (*self.prefilling, *self.decoding)
        return [seq for seq in running if self._may_displace(asker, seq) and key < self.key(seq)]

    def _is_more_urgent(self, asker: Sequence, holder: Sequence) -> bool:
        return asker.request.urgency < holder.request.urgency and not self._is_safe(holder)

    def _is_safe(self, holder: Sequence) -> bool:
        left = holder.request.predicted_output_tokens - holder.emitted
        nearly_finished = 0 < left <= self.scheduling.finish_guard
        return nearly_finished or holder.num_preemptions >= self.scheduling.max_preemptions

    # --- memory --------------------------------------------------------------------------

    def grow(self, now: float) -> None:
        """A KV block for each decoding request whose next token starts one.

        When they are short, the best-ranked asks first, and who cannot be served is paused.
        """
        size = self.memory.block_size
        asking = [seq for seq in self.decoding if seq.resident >= seq.num_blocks * size]
        if len(asking) > self.memory.num_free:
            asking.sort(key=self.key)
        for seq in asking:
            self._grow_one(seq, now)

    def _grow_one(self, seq: Sequence, now: float) -> None:
        if seq not in self.decoding:
            return  # it paid for a better one
        if not self.memory.num_free:
            self._make_room(1, self._worse_holders(seq), now)
        if self.memory.num_free:
            self.memory.take(seq, 1)
        else:
            self.pause(seq, now)

    def _admission_payers(self, asker: Sequence) -> list[Sequence]:
        """Who gives up KV for a request that takes a seat: the idle, and whom it may displace."""
        displaceable = self._displaceable(asker)
        return [
            seq
            for seq in self._worse_holders(asker)
            if seq in displaceable or seq in self.paused or seq in self.waiting
        ]

    def _worse_holders(self, asker: Sequence) -> list[Sequence]:
        key = self.key(asker)
        return [seq for seq in self.memory.holders if self.key(seq) > key]

    def _make_room(self, num_blocks: int, payers: Iterable[Sequence], now: float) -> None:
        """Free that many blocks, worst-ranked payer first, from the tail, as many as needed."""
        for payer in sorted(payers, key=self.key, reverse=True):
            short = num_blocks - self.memory.num_free
            if short <= 0:
                return
            if payer not in self.paused and payer not in self.waiting:
                self.pause(payer, now)
            if self.memory.evict(payer, min(short, payer.num_blocks)) and payer in self.paused:
                self.paused.remove(payer)
                self._wait(payer)
