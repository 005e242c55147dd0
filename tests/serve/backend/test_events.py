from hypothesis import given
from hypothesis import strategies as st

from semsched.serve.backend.events import MAX_HELD, WholeEvents


def passed(*parts: bytes) -> list[bytes]:
    events = WholeEvents()
    return [*map(events.feed, parts), events.held]


def test_an_event_goes_on_when_it_is_whole() -> None:
    assert passed(b"data: a\n\nda", b"ta: b", b"\n", b"\ndata") == [
        *(b"data: a\n\n", b"", b"", b"data: b\n\n", b"data")
    ]
    assert passed(b"data: a\r\n\r\nd", b"\r\n\r", b"\n") == [
        b"data: a\r\n\r\n",
        b"",
        b"d\r\n\r\n",
        b"",
    ]


def test_one_that_is_too_long_to_hold_goes_on_as_it_comes() -> None:
    long = b"x" * MAX_HELD
    assert passed(long, b"y", b"z") == [b"", long + b"y", b"", b"z"]


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\n\n", b"data: x\n\n", b"\r"])))
def test_all_bytes_pass_in_order_and_none_but_the_last_ends_within_an_event(
    parts: list[bytes],
) -> None:
    said = passed(*parts)
    assert b"".join(said) == b"".join(parts)
    assert all(part.endswith((b"\n\n", b"\r\n\r\n")) for part in said[:-1] if part)
