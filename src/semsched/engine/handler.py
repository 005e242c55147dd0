"""What all endpoints that give the engine work have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from semsched.engine.dice import uniform
from semsched.engine.embedded import EmbeddedEngine
from semsched.engine.faults import Fault, FaultBox
from semsched.engine.generation import Generation, Job, RefusedError
from semsched.web.client import Client, GoneError
from semsched.web.failure import ApiError
from semsched.web.limits import Limits

_STATUS = {"context_length_exceeded": 400, "queue_full": 429, "shutting_down": 503}


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers share."""

    engine: EmbeddedEngine
    faults: FaultBox
    model: str
    """The name that is listed; any other is answered, too."""
    seed: int
    limits: Limits

    def submit(self, job: Job) -> Generation:
        """Hand a job to the engine; raises ApiError if it is refused."""
        try:
            return self.engine.submit(job)
        except RefusedError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: RefusedError) -> ApiError:
        retry_after = None
        if error.code == "queue_full":
            luck = uniform("retry", self.seed, self.engine.stats.refused)
            retry_after = self.engine.retry_after(luck)
        return ApiError(_STATUS[error.code], error.code, str(error), retry_after=retry_after)


class Handler(ABC):
    """An ASGI handler: reads a request, lets it meet its fault, answers it."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        client = Client(scope, receive, send)
        try:
            content = await client.body(self._service.limits)
            await self._meet(client, content, self._service.faults.next())
        except ApiError as error:
            await client.answer(error.status, error.body, error.headers)
        except GoneError:
            return

    async def _meet(self, client: Client, content: bytes, fault: Fault) -> None:
        match fault.kind:
            case "error":
                raise ApiError(500, "injected_fault", "a fault on purpose")
            case "hang":
                await client.leave()
            case "reset":
                await client.hang_up(reset=True)
            case _:
                await self._answer(client, content, fault)

    @abstractmethod
    async def _answer(self, client: Client, content: bytes, fault: Fault) -> None:
        """Answer; the fault may be none or a cut, fast or slow. May raise ApiError, GoneError."""


async def send_whole(client: Client, data: bytes, num_tokens: int, fault: Fault) -> None:
    """Send an answer of so many tokens in one piece, as the fault lets it."""
    if fault.slow_bytes:
        await client.pause(fault.slow_bytes * num_tokens)
    if fault.kind == "cut":
        await client.start(200, [(b"content-length", str(len(data)).encode())])
        await client.write(data[: len(data) // 2], more=True)
        await client.hang_up(reset=False)
    else:
        await client.answer(200, data)


def check(generation: Generation) -> None:
    """Raise GoneError or ApiError (503) unless it finished."""
    if generation.outcome == "cancelled":
        raise GoneError
    if generation.outcome == "failed":
        raise ApiError(503, "shutting_down", "the engine stopped before the answer was complete")
