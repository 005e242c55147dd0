"""Handlers: what an application answers when a page fails, always in the same form."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from semsched.web.client import GoneError
from semsched.web.failure import ApiError, internal_error

Handler = Callable[[Request, Exception], Awaitable[Response]]


def handlers() -> dict[Any, Handler]:
    """For Starlette's `exception_handlers`."""
    return dict.fromkeys((ApiError, HTTPException, Exception), _failed) | {GoneError: _gone}


async def _gone(*_: object) -> Response:
    """Nobody is there to read it."""
    return Response(status_code=499)


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody foresaw is logged by those who call this."""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if not isinstance(error, ApiError):
        error = _as_api_error(request, error)
    headers |= {name.decode(): value.decode() for name, value in error.headers}
    return Response(error.body, error.status, headers, media_type="application/json")


def _as_api_error(request: Request, error: Exception) -> ApiError:
    if not isinstance(error, HTTPException):
        return internal_error()
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    message = f"no {request.method} {request.url.path} here"
    return ApiError(error.status_code, code, message)
