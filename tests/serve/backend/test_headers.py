"""Which headers of an answer pass through."""

from semsched.serve.backend.headers import passed_on


def test_what_is_said_of_the_connection_or_the_backend_stays_behind() -> None:
    headers = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"4"),
        (b"Content-Encoding", b"gzip"),
        (b"Server", b"x"),
        (b"Date", b"now"),
        (b"Set-Cookie", b"a=b"),
        (b"Connection", b"keep-alive, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Alt-Svc", b"h3"),
        (b"X-Request-Id", b"theirs"),
        (b"X-Semsched-Class", b"low"),
        (b"Retry-After", b"7"),
    ]
    assert passed_on(headers) == [
        (b"content-type", b"application/json"),
        (b"content-length", b"4"),
        (b"content-encoding", b"gzip"),
        (b"retry-after", b"7"),
    ]


def test_a_length_that_does_not_count_is_not_passed_on() -> None:
    headers = [(b"Content-Length", b"9"), (b"Transfer-Encoding", b"chunked"), (b"A", b"b")]
    assert passed_on(headers) == [(b"a", b"b")]
