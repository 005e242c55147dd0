"""Embedded: the engine within the gateway, where no backend is named.

It listens on a free port of this machine and is asked over HTTP as any other is.
"""

from contextlib import AsyncExitStack
from typing import Self

from starlette.types import ASGIApp

from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.engine import embedded_app
from semsched.errors import InputError
from semsched.serve.backend import Kind
from semsched.serve.config import Backend, GatewayConfig
from semsched.web.limits import Limits
from semsched.web.server import listen, running

NAME = "embedded"
MAX_BODY_BYTES = 2**30
"""The gateway has bounded it already."""

Named = list[tuple[Backend, Kind]]


class Embedded:
    """Runs the engine if the configuration names no backend: `async with`."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._port = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if not self._config.backends:
            listener = self._stack.enter_context(listen("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
            app = self._app(limits := Limits(max_body_bytes=MAX_BODY_BYTES))
            await self._stack.enter_async_context(running(app, listener, limits, grace_time=1))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _app(self, limits: Limits) -> ASGIApp:
        engine = self._config.engine
        return embedded_app(
            load_profile(engine.profile),
            Scheduling(**engine.model_dump(include=set(Scheduling.model_fields))),
            speed=engine.speed,
            seed=engine.seed,
            limits=limits,
        )

    def backends_of(self, config: GatewayConfig) -> Named:
        """The backends of a configuration, or the engine within.

        Raises InputError if there are none and the engine was not started.
        """
        if config.backends:
            return [(backend, backend.kind) for backend in config.backends]
        if not self._port:
            raise InputError("[[backends]]: the engine within takes their place after a restart")
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
