"""`semsched engine`: an engine without a GPU that answers over HTTP."""

import json
import os
import socket

from semsched.cli.commands import one_line_errors
from semsched.cli.errors import Failure
from semsched.cli.options import EngineOptions
from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.engine.faults import Faults
from semsched.web.limits import Limits

BODY = {
    "model": "semsched",
    "stream": True,
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
}


def engine(options: EngineOptions, scheduling: Scheduling, faults: Faults) -> None:
    """Serve until somebody stops it. Raises Failure for what cannot be used."""
    try:
        from semsched.engine import embedded_app
        from semsched.web.server import listen, server_of
    except ImportError as error:
        raise Failure(
            f"semsched engine needs {error.name}: pip install 'semsched[serve]'"
        ) from error
    with one_line_errors():
        profile = load_profile(options.setting)
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Failure(f"cannot listen on {options.host}:{options.port}: {why}") from error
    limits = Limits(max_body_bytes=options.max_body_bytes)
    app = embedded_app(
        profile,
        scheduling,
        speed=options.speed,
        seed=options.seed,
        max_num_waiting=options.max_num_waiting,
        limits=limits,
        faults=faults,
    )
    with listener:
        print(curl(listener), flush=True)
        server_of(app, limits, options.grace_time).run(sockets=[listener])


def curl(listener: socket.socket) -> str:
    """A line that, typed into a shell, streams an answer from the listening server."""
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1/chat/completions"
    return f"curl -N {url} -H 'content-type: application/json' -d '{json.dumps(BODY)}'"
