"""The gateway put together: what is made at the start, and closed at the end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from semsched.core.dispatch import Dispatcher
from semsched.core.drain import DrainRate
from semsched.core.profile import load_profile
from semsched.serve.admission import Admission
from semsched.serve.config import GatewayConfig
from semsched.serve.desk import Desk
from semsched.serve.embedded import Embedded
from semsched.serve.fleet import Fleet
from semsched.serve.gateway import Endpoint, Service
from semsched.serve.gauges import LoopLag
from semsched.serve.journal import FORMAT, Head, Journal
from semsched.serve.keys import KeyRing
from semsched.serve.learning import Teacher
from semsched.serve.metrics import Metrics
from semsched.serve.pages import Pages
from semsched.serve.records import Records
from semsched.serve.refusals import Refusals
from semsched.serve.reload import Read, Reloader, admission_of, limits_of
from semsched.serve.tracing import tracer_of
from semsched.serve.view import View
from semsched.web import limits as web
from semsched.web.handlers import handlers
from semsched.web.request_id import RequestIds

_log = logging.getLogger(__name__)

Clock = Callable[[], float]

FLUSH_EVERY = 1.0
"""Seconds between two flushes of the journal."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that lives as long as the gateway."""

    config: GatewayConfig
    service: Service
    journal: Journal
    teacher: Teacher
    pages: Pages
    path: Path | None
    """The file of the configuration."""
    read: Read
    lag: LoopLag

    def stop(self) -> None:
        """Take nothing new, and let the boards go: the server has been told to stop."""
        self.service.is_draining = True
        self.pages.feed.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Backends are watched, answers are learned from, changes are noticed."""
        with closing(self.journal):  # whatever happens: what was written must be whole
            async with Embedded(self.config) as embedded, self.service.fleet as fleet:
                await fleet.set(embedded.backends_of(self.config))
                async with self._at_work(embedded):
                    yield
        if self.service.tracer:
            await asyncio.to_thread(self.service.tracer.close)
        self.service.records.check()

    @asynccontextmanager
    async def _at_work(self, embedded: Embedded) -> AsyncIterator[None]:
        reloader = Reloader(self.config, self.path, self.read, self.service, embedded)
        runs = (self.teacher.run, reloader.run, self._flush, self.lag.run)
        tasks = [asyncio.create_task(run(), name=run.__qualname__) for run in runs]
        for task in tasks:
            task.add_done_callback(_mourn)
        try:
            yield
        finally:
            await _cancel(tasks)
            self.service.desk.close()
            self.teacher.finish()
            if (judge := self.service.admission.judge) is not None:
                await judge.close()

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            self.journal.flush()


def build(read: Read, path: Path | None = None) -> Gateway:
    """A gateway that does not run yet, by the configuration that `read` gives.

    `path` is the file to watch for changes. Raises InputError or OSError for what cannot be used.
    """
    config = read()
    for backend in config.backends:
        backend.api_key()
    now, journal, lag = _clock(), _journal(config), LoopLag()
    teacher, metrics, drain = Teacher(config.length.state), Metrics(), DrainRate()
    shows_text = config.board.prompt_text
    records = Records(journal, metrics, teacher, drain, now=now, shows_text=shows_text)
    admission = admission_of(config, teacher.lengths)
    service = _service(config, Desk(journal, drain, now), records, admission, drain)
    view = View(service, drain, lag, shows_text=shows_text)
    metrics.read_from(view)
    pages = Pages(service, metrics, view)
    admission.explains = lambda: pages.feed.num_listeners > 0
    return Gateway(config, service, journal, teacher, pages, path, read, lag)


def _clock() -> Clock:
    """Seconds since now."""
    origin = time.monotonic()
    return lambda: time.monotonic() - origin


def _journal(config: GatewayConfig) -> Journal:
    """The dispatcher and its journal; seconds of service are those of the engine within, where it
    is the one, unless told."""
    queue = config.queue
    is_told = bool(config.backends) or "profile" in queue.model_fields_set
    cost = load_profile(queue.profile if is_told else config.engine.profile).cost
    limits = limits_of(config)
    head = Head(FORMAT, queue.policy, cost, limits)
    return Journal(Dispatcher(cost, limits), head, config.journal.path)


def _service(
    config: GatewayConfig, desk: Desk, records: Records, admission: Admission, drain: DrainRate
) -> Service:
    endpoint = config.telemetry.otlp_endpoint
    return Service(
        keys=KeyRing(config),
        admission=admission,
        desk=desk,
        fleet=Fleet(desk),
        records=records,
        refusals=Refusals(drain, lambda: len(desk.dispatcher.lanes)),
        now=desk.now,
        limits=server_limits(config),
        tracer=tracer_of(endpoint) if endpoint else None,
    )


def server_limits(config: GatewayConfig) -> web.Limits:
    """What one client may take."""
    names = ("max_connections", "head_time", "body_time", "max_body_bytes")
    return web.Limits(**{name: getattr(config.server, name) for name in names})


def app_of(gateway: Gateway) -> ASGIApp:
    """The ASGI application; the gateway runs as long as it lives."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with gateway.running():
            yield

    endpoints = _endpoints(gateway.service)
    routes = [Route(endpoint.path, endpoint, methods=["POST"]) for endpoint in endpoints]
    app = Starlette(
        routes=[*routes, *_pages(gateway)], exception_handlers=handlers(), lifespan=lifespan
    )
    app.router.redirect_slashes = False  # it would send clients to whatever their Host says
    return RequestIds(Express(endpoints, app))


class Express:
    """An ASGI application around another: requests for an answer do not change trains.

    Starlette's layers cost a tenth of what the gateway does for a request.
    """

    def __init__(self, endpoints: list[Endpoint], app: ASGIApp) -> None:
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Straight to the endpoint, if it is for one."""
        app: ASGIApp = self._app
        if scope["type"] == "http" and scope["method"] == "POST":
            app = self._endpoints.get(scope["path"], app)
        await app(scope, receive, send)


def _endpoints(service: Service) -> list[Endpoint]:
    return [
        Endpoint(service, "/v1/chat/completions", "messages"),
        Endpoint(service, "/v1/completions", "prompt"),
        Endpoint(service, "/v1/responses", "input"),
        Endpoint(service, "/v1/embeddings", "input", has_answer=False),
    ]


def _pages(gateway: Gateway) -> list[Route]:
    pages = gateway.pages
    routes = [
        Route("/v1/models", pages.models),
        Route("/health", pages.health),
        Route("/ready", pages.ready),
        Route("/metrics", pages.metrics),
        Route("/openapi.json", pages.openapi),
        Route("/admin/queue", pages.queue),
        Route("/admin/queue/{id:int}", pages.one, methods=["DELETE", "PATCH"]),
    ]
    if gateway.config.board.enabled:
        routes += [Route("/board", pages.board), Route("/board/events", pages.events)]
    return routes


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _mourn(task: asyncio.Task[None]) -> None:
    """Say it when work in the background has ended by itself: it should not."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("%s has died", task.get_name(), exc_info=error)
