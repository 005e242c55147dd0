"""Generation: a request inside an engine, as its client sees it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Literal, NamedTuple

from semsched.request import NUM_CLASSES, Rank, Request

Outcome = Literal["finished", "cancelled", "failed"]
"""How a generation ends, once: to its end, at its client's wish, or with its engine."""


class RefusedError(Exception):
    """A job that an engine does not take; the message is one line for the client.

    `code`: context_length_exceeded (it could never fit), queue_full (too many wait) or
    shutting_down (the engine does not run).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Job(NamedTuple):
    """What an engine is asked to do, in tokens; only the engine may look at `output_tokens`.

    prompt_tokens >= 1, 1 <= output_tokens <= max_output_tokens.
    `priority` is vLLM's: smaller runs first. With `predicted_output_tokens` (at least 1) those
    of one priority run by predicted remaining time, without by arrival. Nine in
    ten such answers do not exceed `predicted_p90_tokens` (0: nothing is believed of the tail).
    """

    prompt_tokens: int
    output_tokens: int
    max_output_tokens: int
    priority: int = 0
    predicted_output_tokens: int | None = None
    predicted_p90_tokens: int = 0

    def check(self) -> None:
        """Raise ValueError for a job that would never end, or end beyond its limit."""
        if self.prompt_tokens < 1 or not 1 <= self.output_tokens <= self.max_output_tokens:
            raise ValueError(f"needs 1 <= output_tokens <= max_output_tokens and a prompt: {self}")

    def request(self, id: int, arrived_at: float) -> Request:
        """The request that the scheduler sees."""
        return Request(
            id=id,
            arrived_at=arrived_at,
            prompt_tokens=self.prompt_tokens,
            urgency=min(max(self.priority, 0), NUM_CLASSES - 1),
            predicted_output_tokens=self.predicted_output_tokens or self.max_output_tokens,
            max_output_tokens=self.max_output_tokens,
            predicted_p90_tokens=self.predicted_p90_tokens,
        )

    def rank(self, arrived_at: float) -> Rank:
        """Its place in the order."""
        if self.predicted_output_tokens is None:
            return Rank(float(self.priority), arrived_at, 0.0)
        return Rank(float(self.priority), 0.0, 1.0)


class Generation:
    """Tokens to come, for one consumer, and a way out.

    Only their number is kept, so a slow consumer costs no memory. Instants are seconds of the
    engine's clock, None until they have come.
    """

    def __init__(self, job: Job, request: Request, cancel: Callable[["Generation"], None]) -> None:
        self.job = job
        self.request = request
        self.emitted = 0
        """Tokens out so far."""
        self.outcome: Outcome | None = None
        self.started_at: float | None = None
        self.first_token_at: float | None = None
        self.last_token_at = request.arrived_at
        self.ended_at: float | None = None
        self._cancel = cancel
        self._waiter: asyncio.Future[None] | None = None

    def cancel(self) -> None:
        """Give up: seat and KV are free when this returns. Nothing happens after the end."""
        if self.outcome is None:
            self._cancel(self)

    async def more(self, seen: int) -> int:
        """Wait until more than `seen` tokens are out, or it ended; returns how many are out."""
        while self.emitted <= seen and self.outcome is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.emitted

    async def end(self) -> Outcome:
        """Wait for the end."""
        while self.outcome is None:
            await self.more(self.emitted)
        return self.outcome

    async def __aiter__(self) -> AsyncIterator[int]:
        """The numbers of the tokens, from 0, as they come out; ends when nothing more comes."""
        seen = 0
        while (out := await self.more(seen)) > seen:
            for token in range(seen, out):
                yield token
            seen = out

    def wake(self) -> None:
        """Tell the consumer that there is news; the engine does."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
