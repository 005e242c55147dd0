"""Pages: everything but the hot path."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from semsched.request import CLASS_NAMES
from semsched.serve.admission import read_object
from semsched.serve.backend import UpstreamError
from semsched.serve.board import PAGE, PAGE_HEADERS, Feed, TooManyListenersError
from semsched.serve.claims import class_in
from semsched.serve.fleet import Backend
from semsched.serve.gateway import Service
from semsched.serve.metrics import Metrics
from semsched.serve.openapi import description
from semsched.serve.view import View
from semsched.web.client import read_all
from semsched.web.failure import ApiError

MODELS_TIME = 5.0
"""Seconds that a backend has to say which models it serves."""

MAX_MODELS_BYTES = 4 * 2**20


class Pages:
    """Health, metrics, models, the board and the operator's queue."""

    def __init__(self, service: Service, metrics: Metrics, view: View) -> None:
        self._service = service
        self._metrics = metrics
        self._view = view
        self.feed = Feed(view.snapshot)

    async def health(self, _: Request) -> Response:
        """200 as long as the process answers."""
        return Response()

    async def ready(self, _: Request) -> Response:
        """200 if requests are welcome; 503 while draining or without a backend."""
        service = self._service
        if service.is_draining:
            raise service.refusals.error("shutting_down", service.now())
        if not service.fleet.num_up:
            raise service.refusals.error("no_backend", service.now())
        return Response()

    async def metrics(self, _: Request) -> Response:
        """Prometheus' text format."""
        return Response(self._metrics.exposition(), media_type=self._metrics.content_type)

    async def openapi(self, _: Request) -> Response:
        """What there is here."""
        return _json(description())

    async def models(self, request: Request) -> Response:
        """What the backends that are up serve, each model once."""
        self._service.keys.find(request.scope["headers"])
        up = [backend for backend in self._service.fleet if backend.is_up]
        found: dict[str, Any] = {}
        for models in await asyncio.gather(*map(_models_of, up)):
            found.update(models)
        return _json({"object": "list", "data": list(found.values())})

    # --- the board -----------------------------------------------------------------------

    async def board(self, _: Request) -> Response:
        """The page."""
        return Response(PAGE, headers=PAGE_HEADERS)

    async def events(self, request: Request) -> Response:
        """What the page shows, as it changes."""
        if request.method == "HEAD":  # a stream would hold a place and the connection for nothing
            return Response(media_type="text/event-stream")
        try:
            frames = self.feed.listen()
        except TooManyListenersError:
            raise ApiError(503, "too_many_listeners", "too many boards are open") from None
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(frames, media_type="text/event-stream", headers=headers)

    # --- the operator --------------------------------------------------------------------

    async def queue(self, request: Request) -> Response:
        """Who waits and who runs."""
        self._check_admin(request)
        return _json(self._view.queue())

    async def one(self, request: Request) -> Response:
        """DELETE or PATCH a waiting request."""
        self._check_admin(request)
        return await (self._cancel if request.method == "DELETE" else self._rerank)(request)

    async def _cancel(self, request: Request) -> Response:
        """Take it out."""
        id = self._waiting(request)
        self._service.desk.cancel(id, "cancelled_by_operator")
        return Response(status_code=204)

    async def _rerank(self, request: Request) -> Response:
        """Give it another class: {"class": "critical"} or {"class": 0}."""
        body = read_object(await read_all(request.receive, self._service.limits))
        urgency = class_in(body.get("class"), "class")
        id, desk = self._waiting(request), self._service.desk
        changed = replace(desk.dispatcher.entry(id).request, urgency=urgency)
        desk.rerank(id, urgency, self._service.admission.rank(changed))
        self._service.records.move(id, desk.dispatcher.entry(id))
        return _json({"id": id, "class": CLASS_NAMES[urgency]})

    def _check_admin(self, request: Request) -> None:
        host = request.client.host if request.client else None
        if not self._service.keys.is_admin(request.scope["headers"], host):
            raise ApiError(403, "admin_only", "this needs the administrator's key")

    def _waiting(self, request: Request) -> int:
        id: int = request.path_params["id"]
        if id not in self._service.desk.dispatcher.lanes:
            raise ApiError(404, "not_found", f"request {id} does not wait", "id")
        return id


async def _models_of(backend: Backend) -> dict[str, Any]:
    """What it serves; nothing if it does not say in time."""
    try:
        _, content = await backend.get("/v1/models", MODELS_TIME, MAX_MODELS_BYTES)
    except UpstreamError:
        return {}
    return _models_in(content)


def _models_in(content: bytes) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(content)["data"]
        return {str(model["id"]): model for model in data}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return {}


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
