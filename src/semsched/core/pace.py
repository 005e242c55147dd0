"""Pace: when each step of an engine ends.

While the same requests do nothing but decode, the end of a step is computed from the start of
that stretch, not added up step by step: whoever jumps over whole stretches comes to the very
same instants.
"""

from semsched.core.batch import Step
from semsched.core.cost import StepCost, decode_line, run_time, step_time


class Pace:
    """The instants at which the steps of one engine end; to be asked once for each step."""

    def __init__(self, cost: StepCost) -> None:
        self._cost = cost
        self._num_changes = -1
        self._from, self._num_steps, self._line = 0.0, 0, (0.0, 0.0)

    def end_of(self, step: Step, num_changes: int, now: float) -> float:
        """The end of a step that holds work and begins at `now`, the end of the one before.

        `num_changes` is that of the seats: as long as it stays, so do those who decode.
        """
        changed = num_changes != self._num_changes
        self._num_changes = num_changes
        if step.prefills or step.save_tokens:
            self._num_steps = 0
            return now + step_time(self._cost, step.work(self._cost))
        if changed or not self._num_steps:
            contexts = [seq.resident for seq in step.decodes]
            self._line = decode_line(self._cost, len(contexts), sum(contexts), max(contexts))
            self._from, self._num_steps = now, 0
        self._num_steps += 1
        return self._from + run_time(*self._line, self._num_steps)

    def restart(self) -> None:
        """Time was lost: the next step begins a stretch of its own."""
        self._num_steps = 0
