import socket
import struct

import pytest

from semsched.web.departure import has_left


@pytest.mark.parametrize("unread", [b"", b"x"])
@pytest.mark.parametrize("linger", [None, struct.pack("ii", 1, 0)])
def test_who_has_left_is_seen_without_reading(unread: bytes, linger: bytes | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = socket.create_connection(listener.getsockname())
        here, _ = listener.accept()
        with here:
            there.sendall(unread)
            assert not has_left(here)
            if linger:
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            there.close()
            assert has_left(here)
