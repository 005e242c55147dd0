import json

import pytest

from semsched.web.failure import ApiError


@pytest.mark.parametrize(
    ("status", "type"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (408, "invalid_request_error"),
        (429, "rate_limit_error"),
        (502, "server_error"),
        (503, "service_unavailable"),
        (504, "server_error"),
    ],
)
def test_it_has_the_form_that_clients_know(status: int, type: str) -> None:
    error = ApiError(status, "some_code", "what and why", "field")
    assert json.loads(error.body) == {
        "error": {"message": "what and why", "type": type, "param": "field", "code": "some_code"}
    }


@pytest.mark.parametrize(
    ("retry_after", "seconds", "milliseconds"),
    [
        (None, b"1", b"1000"),
        (2.4, b"3", b"2400"),
        (5.0, b"5", b"5000"),
        (0.2, b"1", b"200"),
        (0.0, b"1", b"1"),
        (600.0, b"30", b"30000"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_crowd_says_when_to_come_again(
    status: int, retry_after: float | None, seconds: bytes, milliseconds: bytes
) -> None:
    error = ApiError(status, "queue_full", "many wait", retry_after=retry_after)
    assert error.headers == [(b"retry-after", seconds), (b"retry-after-ms", milliseconds)]


def test_what_is_wrong_stays_wrong() -> None:
    assert ApiError(400, "invalid_value", "n: 2").headers == []
