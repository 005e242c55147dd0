import pytest

from semsched.web.local import is_local


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True)),
        *((None, False), ("", False), ("10.0.0.1", False), ("::ffff:10.0.0.1", False)),
        *(("0.0.0.0", False), ("::", False), ("fe80::1%eth0", False), ("testclient", False)),  # noqa: S104
    ],
)
def test_this_machine_has_many_addresses(host: str | None, local: bool) -> None:
    assert is_local([], host) is local


@pytest.mark.parametrize(
    ("header", "local"),
    [
        ((b"host", b"localhost:8080"), True),
        ((b"Host", b"127.0.0.1:8080"), True),
        ((b"host", b"[::1]:8080"), True),
        ((b"origin", b"http://localhost:8080"), True),
        ((b"host", b"evil.example:8080"), False),
        ((b"host", b"localhost.evil.example"), False),
        ((b"host", b"[::1"), False),
        ((b"host", b""), False),
        ((b"origin", b"https://evil.example"), False),
        ((b"origin", b"null"), False),
        ((b"x-forwarded-for", b"127.0.0.1"), False),
        ((b"X-Real-IP", b"127.0.0.1"), False),
        ((b"forwarded", b"for=127.0.0.1"), False),
        ((b"via", b"1.1 proxy"), False),
    ],
)
def test_who_speaks_for_others_is_not_this_machine(
    header: tuple[bytes, bytes], local: bool
) -> None:
    assert is_local([header], "127.0.0.1") is local
