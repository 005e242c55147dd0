"""The engine's HTTP interface: OpenAI's for clients, vLLM's names for operators."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

import semsched
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.engine.clock import WallClock
from semsched.engine.completions import Completions
from semsched.engine.defaults import MAX_NUM_WAITING
from semsched.engine.dialect import Chat, Text
from semsched.engine.embedded import EmbeddedEngine
from semsched.engine.embeddings import Embeddings
from semsched.engine.faults import FaultBox, Faults
from semsched.engine.handler import Service
from semsched.engine.metrics import EngineCollector, registry_of
from semsched.engine.responses import Responses
from semsched.web.client import read_all
from semsched.web.failure import ApiError
from semsched.web.handlers import handlers
from semsched.web.limits import Limits
from semsched.web.local import is_local
from semsched.web.request_id import RequestIds


def embedded_app(
    profile: EngineProfile,
    scheduling: Scheduling,
    *,
    speed: float = 1.0,
    seed: int = 0,
    max_num_waiting: int = MAX_NUM_WAITING,
    limits: Limits | None = None,
    faults: Faults | None = None,
) -> ASGIApp:
    """An embedded engine behind HTTP, for any ASGI server that knows lifespans.

    `speed`: times as fast as the profile; `seed`: of the answers and their lengths.
    """
    clock = WallClock(speed)
    engine = EmbeddedEngine(profile, scheduling, clock=clock, max_num_waiting=max_num_waiting)
    faulty = FaultBox(faults or Faults())
    return build_app(Service(engine, faulty, profile.name, seed, limits or Limits()))


def build_app(service: Service) -> ASGIApp:
    """The ASGI application; it runs the engine as long as it lives itself."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.engine:
            yield

    pages = Pages(service)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", Completions(service, Chat()), methods=["POST"]),
            Route("/v1/completions", Completions(service, Text()), methods=["POST"]),
            Route("/v1/responses", Completions(service, Responses()), methods=["POST"]),
            Route("/v1/embeddings", Embeddings(service), methods=["POST"]),
            Route("/v1/models", pages.models),
            Route("/health", pages.health),
            Route("/version", pages.version),
            Route("/metrics", pages.metrics),
            Route("/admin/faults", pages.faults),
            Route("/admin/faults", pages.set_faults, methods=["POST"]),
        ],
        exception_handlers=handlers(),
        lifespan=lifespan,
    )
    return RequestIds(app)


class Pages:
    """All but the hot path."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made_at = int(time.time())
        self._registry = registry_of(EngineCollector(service.engine, service.model))

    async def models(self, _: Request) -> Response:
        """The one model that is listed; any name is answered."""
        model = {
            "id": self._service.model,
            "object": "model",
            "created": self._made_at,
            "owned_by": "semsched",
            "max_model_len": self._service.engine.profile.kv_tokens,
        }
        return _json({"object": "list", "data": [model]})

    async def health(self, _: Request) -> Response:
        """200 while the engine takes requests, 503 when it does not."""
        return Response(status_code=200 if self._service.engine.is_running else 503)

    async def version(self, _: Request) -> Response:
        """The version of this package."""
        return _json({"version": semsched.__version__})

    async def metrics(self, _: Request) -> Response:
        """Prometheus' text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def faults(self, request: Request) -> Response:
        """The faults that are set."""
        _only_from_here(request)
        return _json(self._service.faults.faults.model_dump())

    async def set_faults(self, request: Request) -> Response:
        """Set all of them at once: what is not named is off."""
        _only_from_here(request)
        content = await read_all(request.receive, self._service.limits)
        try:
            self._service.faults.set(Faults.model_validate_json(content))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            param = ".".join(str(part) for part in first["loc"]) or None
            message = f"{param or 'faults'}: {first['msg'].removeprefix('Value error, ')}"
            raise ApiError(400, "invalid_value", message, param) from None
        return await self.faults(request)


def _only_from_here(request: Request) -> None:
    """Raise ApiError (403) unless the client is a program on this machine."""
    host = request.client.host if request.client else None
    if not is_local(request.scope["headers"], host):
        raise ApiError(403, "admin_only", "/admin answers to programs on this machine only")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
