"""Engines that speak: they serve requests in real time, token by token.

What is named here is imported when it is used: the command line asks for defaults only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semsched.engine.api import embedded_app
    from semsched.engine.clock import Clock, WallClock
    from semsched.engine.embedded import EmbeddedEngine
    from semsched.engine.generation import Generation, Job, RefusedError

__all__ = [
    "Clock",
    "EmbeddedEngine",
    "Generation",
    "Job",
    "RefusedError",
    "WallClock",
    "embedded_app",
]

_HOMES = {
    "Clock": "clock",
    "EmbeddedEngine": "embedded",
    "Generation": "generation",
    "Job": "generation",
    "RefusedError": "generation",
    "WallClock": "clock",
    "embedded_app": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
