"""What the board remembers: TTFT of the last five minutes, and who ended last."""

import math
from collections import Counter, deque

from msgspec.structs import replace

from semsched.request import NUM_CLASSES
from semsched.serve.board.snapshot import BIN_TIME, MAX_ENDED, NUM_BINS, Clue, Ended, Ttft, clip


class _Bin:
    """TTFTs counted by logarithm: bounded, whatever comes; 2.5% off at most."""

    STEP = math.log(1.05)
    LIMITS = (1e-4, 1e4)

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._known: tuple[float, float] | None = None

    def add(self, ttft: float) -> None:
        low, high = self.LIMITS
        self._counts[round(math.log(min(max(ttft, low), high)) / self.STEP)] += 1
        self._known = None

    def quantiles(self) -> tuple[float, float]:
        """P50 and P99 in seconds; remembered, since full bins are asked many times."""
        if self._known is None:
            self._known = self._quantile(0.5), self._quantile(0.99)
        return self._known

    def _quantile(self, share: float) -> float:
        left = math.ceil(share * self._counts.total())
        for step in sorted(self._counts):
            left -= self._counts[step]
            if left <= 0:
                break
        return float(f"{math.exp(step * self.STEP):.3g}")


class Recent:
    """What the board remembers: TTFT of the last five minutes, and who ended last.

    Pure and bounded: `now` is a parameter, in seconds of any clock that does not run backwards.
    """

    def __init__(self) -> None:
        self._bins: list[dict[int, _Bin]] = [{} for _ in range(NUM_CLASSES)]
        self._ended: deque[Ended] = deque(maxlen=MAX_ENDED)

    def first_token(self, urgency: int, ttft: float, now: float) -> None:
        """A first token came, `ttft` seconds after its request."""
        bins, number = self._bins[urgency], math.floor(now / BIN_TIME)
        if number not in bins:
            bins[number] = _Bin()
            for old in [other for other in bins if other <= number - NUM_BINS]:
                del bins[old]
        bins[number].add(ttft)

    def end(self, ended: Ended) -> None:
        """A request ended."""
        self._ended.appendleft(ended)

    def ended(self) -> list[Ended]:
        """The last to end first; their texts are clipped."""
        return [_clipped(ended) for ended in self._ended]

    def ttft(self, now: float) -> list[Ttft]:
        """The series of all classes, class 0 first."""
        newest = math.floor(now / BIN_TIME)
        numbers = range(newest - NUM_BINS + 1, newest + 1)
        series = []
        for urgency, bins in enumerate(self._bins):
            found = [bins[number].quantiles() if number in bins else None for number in numbers]
            p50, p99 = ([pair and pair[at] for pair in found] for at in (0, 1))
            series.append(Ttft(urgency, p50, p99))
        return series


def _clipped(ended: Ended) -> Ended:
    clues = [
        Clue(clip(clue.name), None if clue.words is None else clip(clue.words))
        for clue in ended.evidence
    ]
    texts = {name: clip(getattr(ended, name)) for name in ("id", "tenant", "code", "reason")}
    return replace(ended, evidence=clues, **texts)
