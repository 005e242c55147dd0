"""How a command that serves begins: it listens, and says what to type."""

import json
import shlex
import socket
from collections.abc import Sequence

from semsched.cli.errors import Failure


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises Failure. Needs the extra serve."""
    from semsched.web.server import listen

    try:
        return listen(host, port)
    except OSError as error:
        # not os.strerror: names that are not found have numbers of their own
        why, *_ = (error.strerror or str(error)).split(" (while attempting to bind")
        raise Failure(f"cannot listen on {host}:{port}: {why}") from error


def base_url(listener: socket.socket) -> str:
    """Where a listening socket is reached; from this machine, if it listens on all addresses."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound to
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def curl(listener: socket.socket, question: str, headers: Sequence[str] = ()) -> str:
    """A line that, typed into a shell, streams an answer from the server that listens there."""
    messages = [{"role": "user", "content": question}]
    body = {"model": "semsched", "stream": True, "messages": messages}
    said = ("content-type: application/json", *headers)
    options = " ".join(f"-H {shlex.quote(header)}" for header in said)
    url = f"{base_url(listener)}/v1/chat/completions"
    return f"curl -N {url} {options} -d {shlex.quote(json.dumps(body))}"
