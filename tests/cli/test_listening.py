import socket

import pytest

from semsched.cli.errors import Failure
from semsched.cli.listening import listening


def test_a_host_that_is_not_found_is_called_so() -> None:
    with pytest.raises(Failure) as caught:
        listening("nowhere.invalid", 0)
    said = str(caught.value)
    assert said.startswith("cannot listen on nowhere.invalid:0: ")
    assert "Unknown error" not in said
    assert "while" not in said


def test_an_address_in_use_is_called_so_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure) as caught:
            listening("127.0.0.1", port)
    assert str(caught.value) == f"cannot listen on 127.0.0.1:{port}: Address already in use"
