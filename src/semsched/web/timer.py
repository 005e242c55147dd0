"""Timer: a call that is due unless it is called off."""

import asyncio
from collections.abc import Callable


class Timer:
    """Makes one call when the time is over; set again, it forgets the earlier time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        self._loop = loop
        self._call = call
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether the call is due."""
        return self._handle is not None

    def set(self, seconds: float) -> None:
        """Call in so many seconds."""
        self.stop()
        self._handle = self._loop.call_later(seconds, self._ring)

    def stop(self) -> None:
        """Do not call."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self._call()
