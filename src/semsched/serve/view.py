"""View: what the board and the operator are shown of the present moment."""

import time
from typing import Any

from semsched.core.drain import DrainRate
from semsched.request import CLASS_NAMES, NUM_CLASSES
from semsched.serve import board
from semsched.serve.fleet import Backend
from semsched.serve.gateway import Service
from semsched.serve.gauges import LoopLag
from semsched.serve.visit import Visit

MAX_LISTED = 1000
"""Requests in the operator's list."""


class View:
    """Reads the service; changes nothing."""

    def __init__(
        self, service: Service, drain: DrainRate, lag: LoopLag, *, shows_text: bool
    ) -> None:
        self._service = service
        self._drain = drain
        self._lag = lag
        self._shows_text = shows_text

    # --- the board -----------------------------------------------------------------------

    def snapshot(self) -> board.Snapshot:
        """All that the board shows."""
        service, now = self._service, self._service.now()
        records, books = service.records, service.records.books
        return board.Snapshot(
            at=time.time(),
            uptime=now,
            policy=service.admission.policy_name,
            state="draining" if service.is_draining else "serving",
            queue=self._queue(now),
            waiting=[self._waiting(visit, now) for visit in self._in_order(board.MAX_WAITING)],
            backends=self.backends(),
            recent=records.recent.ended(),
            ttft=records.recent.ttft(now),
            counts=[self._counts(urgency) for urgency in range(NUM_CLASSES)],
            clamped=books.num_clamped,
            retries=books.num_retries,
        )

    def _in_order(self, num: int) -> list[Visit]:
        visits = self._service.records.visits
        return [visits[id] for id in self._service.desk.dispatcher.in_order(num)]

    def _queue(self, now: float) -> board.Queue:
        dispatcher = self._service.desk.dispatcher
        return board.Queue(
            lanes=self.lanes(),
            max_waiting=dispatcher.limits.max_waiting,
            waiting_bytes=dispatcher.waiting_bytes,
            max_waiting_bytes=dispatcher.limits.max_waiting_bytes,
            drain_rate=round(self._drain.rate(now), 2),
        )

    def lanes(self) -> list[board.Lane]:
        """What waits, class 0 first."""
        now = self._service.now()
        return [self._lane(urgency, now) for urgency in range(NUM_CLASSES)]

    def _lane(self, urgency: int, now: float) -> board.Lane:
        dispatcher = self._service.desk.dispatcher
        return board.Lane(
            urgency,
            dispatcher.lanes.num_in(urgency),
            round(self._oldest_wait(urgency, now), 1),
            dispatcher.bytes_in(urgency),
        )

    def _oldest_wait(self, urgency: int, now: float) -> float:
        first = self._service.desk.dispatcher.first_of(urgency)
        return 0.0 if first is None else max(now - first.arrived_at, 0.0)

    def _waiting(self, visit: Visit, now: float) -> board.Waiting:
        request = visit.entry.request
        return board.Waiting(
            id=visit.request_id,
            urgency=request.urgency,
            tenant=board.clip(request.tenant),
            waited=round(now - request.arrived_at, 1),
            prompt_tokens=request.prompt_tokens,
            predicted_output_tokens=request.predicted_output_tokens,
            reason=board.clip(self._reason(visit)),
        )

    def _reason(self, visit: Visit) -> str:
        return visit.verdict.reason if self._shows_text else visit.verdict.source

    def backends(self) -> list[board.Backend]:
        """Those in the configuration."""
        now = self._service.now()
        return [self._backend(backend, now) for backend in self._service.fleet]

    def _backend(self, backend: Backend, now: float) -> board.Backend:
        ledger = self._service.desk.dispatcher.ledger
        loads = list(ledger[backend.name].loads) if backend.name in ledger else []
        running = [self._service.records.visits[id] for id in loads[: board.MAX_RUNNING]]
        return board.Backend(
            name=backend.name,
            kind=backend.kind,
            is_up=backend.is_up,
            why="" if backend.is_up else board.clip(backend.why),
            seats=backend.seats,
            reserve=backend.settings.reserve,
            in_flight=len(loads),
            kv_usage=backend.reading.kv_usage if backend.reading else None,
            predicted_work=round(ledger[backend.name].work, 1) if loads else 0.0,
            running=[self._running(visit, now) for visit in running],
        )

    def _running(self, visit: Visit, now: float) -> board.Running:
        request = visit.entry.request
        return board.Running(
            id=visit.request_id,
            urgency=request.urgency,
            tenant=board.clip(request.tenant),
            running_for=round(now - (visit.started_at or now), 1),
            output_tokens=visit.output_tokens,
            predicted_output_tokens=request.predicted_output_tokens,
        )

    def _counts(self, urgency: int) -> board.Counts:
        books = self._service.records.books
        ended = {outcome: counts[urgency] for outcome, counts in books.ended.items()}
        return board.Counts(urgency, books.accepted[urgency], **ended)

    # --- gauges --------------------------------------------------------------------------

    @property
    def retries_left(self) -> float:
        """Retries that may be made now."""
        return self._service.retries.left

    @property
    def is_draining(self) -> bool:
        """Whether new requests are turned away because the gateway stops."""
        return self._service.is_draining

    @property
    def loop_lag(self) -> float:
        """Seconds by which the event loop was late, at worst, lately."""
        return self._lag.worst

    # --- the operator --------------------------------------------------------------------

    def queue(self) -> dict[str, Any]:
        """Who waits, in order, and who runs; at most MAX_LISTED each."""
        now, records = self._service.now(), self._service.records
        seated = list(self._service.desk.dispatcher.seated)[:MAX_LISTED]
        waiting = self._in_order(MAX_LISTED)
        return {
            "num_waiting": len(self._service.desk.dispatcher.lanes),
            "num_running": len(self._service.desk.dispatcher.seated),
            "waiting": [self._listed(visit, now) for visit in waiting],
            "running": [self._listed(records.visits[id], now) for id in seated],
        }

    def _listed(self, visit: Visit, now: float) -> dict[str, Any]:
        request = visit.entry.request
        return {
            "id": request.id,
            "request_id": visit.request_id,
            "class": CLASS_NAMES[request.urgency],
            "tenant": request.tenant,
            "reason": self._reason(visit),
            "age": round(now - request.arrived_at, 3),
            "prompt_tokens": request.prompt_tokens,
            "predicted_output_tokens": request.predicted_output_tokens,
            "backend": visit.backend or None,
        }
