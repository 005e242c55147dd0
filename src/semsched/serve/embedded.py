"""Embedded: the engine within the gateway, where no backend is named.

It listens on a free port of this machine and is asked over HTTP as any other is.
"""

import asyncio
from contextlib import suppress
from typing import Self

from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.engine import embedded_app
from semsched.serve.backend import Kind
from semsched.serve.config import Backend, GatewayConfig
from semsched.web.limits import Limits
from semsched.web.server import guest_of, listen

NAME = "embedded"

Named = list[tuple[Backend, Kind]]


class Embedded:
    """Runs the engine if the configuration names no backend: `async with`."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._port = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._config.backends:
            return self
        engine = self._config.engine
        fields = Scheduling.model_fields
        app = embedded_app(
            load_profile(engine.profile),
            Scheduling(**engine.model_dump(include=set(fields))),
            speed=engine.speed,
            seed=engine.seed,
        )
        listener = listen("127.0.0.1", 0)
        self._port = listener.getsockname()[1]
        self._server = guest_of(app, Limits(max_body_bytes=2**30))
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._server.should_exit = True
            with suppress(asyncio.CancelledError):
                await self._task

    def backends_of(self, config: GatewayConfig) -> Named:
        """The backends of a configuration, or the engine within."""
        if config.backends or self._task is None:
            return [(backend, backend.kind) for backend in config.backends]
        engine = self._config.engine
        settings = Backend(
            url=f"http://127.0.0.1:{self._port}",
            name=NAME,
            kind="vllm",
            seats=engine.max_num_seqs,
            kv_tokens=load_profile(engine.profile).kv_tokens,
            preempts=engine.preemption != "off",
        )
        return [(settings, "embedded")]
