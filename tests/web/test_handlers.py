import asyncio
import json
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from semsched.web.failure import ApiError
from semsched.web.handlers import handlers
from semsched.web.limits import Limits
from semsched.web.server import listen, running


async def full(_: Request) -> Response:
    raise ApiError(429, "queue_full", "many wait", retry_after=2.5)


async def broken(_: Request) -> Response:
    raise ZeroDivisionError


ROUTES = [Route("/full", full), Route("/broken", broken)]


async def get(path: str, method: str) -> tuple[int, Any, CIMultiDictProxy[str]]:
    app = Starlette(routes=ROUTES, exception_handlers=handlers())
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
        async with (
            running(app, listener, Limits(), grace_time=1),
            aiohttp.request(method, url) as response,
        ):
            body = json.loads(await response.read())
            return response.status, body["error"], response.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/full", 429, "queue_full"),
        ("GET", "/broken", 500, "internal_error"),
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/full", 405, "method_not_allowed"),
    ],
)
def test_every_failure_has_one_form(method: str, path: str, status: int, code: str) -> None:
    found, error, _ = asyncio.run(get(path, method))
    assert (found, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}


def test_a_crowd_says_when_to_come_again() -> None:
    _, _, headers = asyncio.run(get("/full", "GET"))
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("3", "2500")
