"""Books: how many came, how each of them ended, and who is still there."""

from semsched.request import NUM_CLASSES
from semsched.serve.row import Outcome

OUTCOMES: tuple[Outcome, ...] = ("finished", "refused", "cancelled", "failed")


class LostRequestError(RuntimeError):
    """The books do not balance: accepted is not the sum of outcomes and those who are there."""


class Books:
    """Counts since the start, by class; every request that was read is in exactly one place."""

    def __init__(self) -> None:
        self.accepted = [0] * NUM_CLASSES
        self.ended: dict[Outcome, list[int]] = {outcome: [0] * NUM_CLASSES for outcome in OUTCOMES}
        self.num_clamped = 0
        self.num_retries = 0

    def accept(self, urgency: int, is_clamped: bool) -> None:
        """One came."""
        self.accepted[urgency] += 1
        self.num_clamped += is_clamped

    def move(self, urgency: int, other: int) -> None:
        """One that is there changed its class."""
        self.accepted[urgency] -= 1
        self.accepted[other] += 1

    def end(self, urgency: int, outcome: Outcome) -> None:
        """One left."""
        self.ended[outcome][urgency] += 1

    def check(self, num_there: int) -> None:
        """Raise LostRequestError unless everybody is accounted for."""
        accepted = sum(self.accepted)
        ended = {outcome: sum(counts) for outcome, counts in self.ended.items()}
        if accepted != sum(ended.values()) + num_there:
            raise LostRequestError(f"accepted {accepted}, {ended}, still there {num_there}")
