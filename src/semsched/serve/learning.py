"""Learning: finished answers teach the length predictor, beside the traffic and never before it."""

import asyncio
import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from semsched.predict.length import LengthPredictor, load, save

MAX_LESSONS = 500
"""Answers that may wait to be learned from; the oldest goes first."""

MAX_MODELS = 64
"""Models that are learned separately, a megabyte each."""

SHARE = 0.03
"""Share of one core that learning may take: a hundred answers a second."""

SAVE_EVERY = 60.0
"""Seconds between two savings of what was learned."""

_log = logging.getLogger(__name__)


class Lesson(NamedTuple):
    """A finished answer."""

    text: str
    output_tokens: int
    model: str
    truncated: bool
    """Whether a limit cut it."""


class Teacher:
    """Teaches a predictor in the background and keeps its state in a file, if there is one."""

    def __init__(self, state: Path | None) -> None:
        self._state = state
        self.lengths = load(state) if state else LengthPredictor()
        self.num_learned = 0
        self._lessons: deque[Lesson] = deque(maxlen=MAX_LESSONS)
        self._woken = asyncio.Event()
        self._saved_at = time.monotonic()
        self._saving = threading.Lock()
        """So that the last to save is the last to write."""

    def teach(self, lesson: Lesson) -> None:
        """Learn from this when there is time. Names of models beyond MAX_MODELS share one learner:
        they are the clients' to choose."""
        known = self.lengths.learners
        if lesson.model not in known and len(known) >= MAX_MODELS:
            lesson = lesson._replace(model="")
        self._lessons.append(lesson)
        self._woken.set()

    async def run(self) -> None:
        """Learn until cancelled, one answer at a time, and pause for the traffic after each."""
        while True:
            await self._woken.wait()
            began = time.perf_counter()
            try:
                self._learn_one()
            except Exception:  # noqa: BLE001 - one answer teaches nothing, the others do
                _log.exception("an answer could not be learned from")
            await asyncio.sleep((time.perf_counter() - began) * (1 / SHARE - 1))
            if time.monotonic() - self._saved_at > SAVE_EVERY:
                await asyncio.to_thread(self.save)  # nothing is learned meanwhile

    def _learn_one(self) -> None:
        lesson = self._lessons.popleft()
        if not self._lessons:
            self._woken.clear()
        self.lengths.observe(
            lesson.text, lesson.output_tokens, lesson.model, truncated=lesson.truncated
        )
        self.num_learned += 1

    def finish(self) -> None:
        """Learn what is left and save it: the gateway stops."""
        while self._lessons:
            self._learn_one()
        self.save()

    def save(self) -> None:
        """Write down what was learned; a file that cannot be written is not the end."""
        self._saved_at = time.monotonic()
        if self._state is None or not self.num_learned:
            return
        try:
            with self._saving:
                save(self.lengths, self._state)
        except OSError as error:
            _log.warning("cannot save %s: %s", self._state, error.strerror or error)
