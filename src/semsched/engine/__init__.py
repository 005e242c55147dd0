"""Engines that speak: they serve requests in real time, token by token."""

from semsched.engine.clock import Clock, WallClock
from semsched.engine.embedded import EmbeddedEngine
from semsched.engine.generation import Generation, Job, RefusedError

__all__ = ["Clock", "EmbeddedEngine", "Generation", "Job", "RefusedError", "WallClock"]
