"""`semsched serve`: the gateway on the command line."""

import json
import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from semsched.cli.commands import one_line_errors
from semsched.cli.errors import Failure, needing
from semsched.errors import InputError

BODY = {
    "model": "semsched",
    "stream": True,
    "messages": [{"role": "user", "content": "My father has chest pain, what should I do?"}],
}


@dataclass(frozen=True)
class Given:
    """What the command line says; it goes before the file. None: nothing."""

    config: Path | None
    host: str | None
    port: int | None
    backends: tuple[str, ...]
    kind: str
    policy: str | None
    journal: Path | None


def serve(given: Given) -> None:
    """Serve until told to stop. Raises Failure for what cannot be used."""
    with needing("serve", "serve"):
        from semsched.serve import logs
        from semsched.serve.app import app_of, build, server_limits
        from semsched.web.server import server_of
    with one_line_errors():
        gateway = build(lambda: configured(given), given.config)
    config = gateway.config
    logs.configure(config.log.level, config.log.prompt_text)
    limits = server_limits(config)
    server = server_of(app_of(gateway), limits, config.server.grace_time, on_stop=gateway.stop)
    with listening(config.server.host, config.server.port) as listener:
        greet(listener, config)
        server.run(sockets=[listener])


def configured(given: Given) -> Any:
    """The configuration of the file with what the command line says. Raises InputError."""
    from semsched.serve.config import Backend, GatewayConfig, load_config

    config = load_config(given.config) if given.config else GatewayConfig()
    flags: Mapping[str, Mapping[str, object]] = {
        "server": {"host": given.host, "port": given.port},
        "queue": {"policy": given.policy},
        "journal": {"path": str(given.journal) if given.journal else None},
    }
    try:
        changes: dict[str, object] = {
            name: _changed(getattr(config, name), values) for name, values in flags.items()
        }
        if given.backends:
            backends = [{"url": url, "kind": given.kind} for url in given.backends]
            changes["backends"] = tuple(map(Backend.model_validate, backends))
        given_there = {name: getattr(config, name) for name in config.model_fields_set}
        return GatewayConfig.model_validate({**given_there, **changes})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in (*first["loc"], *first.get("ctx", {}).get("at", ())))
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {message}" if where else message) from error


def _changed(table: Any, values: Mapping[str, object]) -> Any:
    said = {name: value for name, value in values.items() if value is not None}
    return type(table).model_validate({**table.model_dump(exclude_unset=True), **said})


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises Failure."""
    from semsched.web.server import listen

    try:
        return listen(host, port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Failure(f"cannot listen on {host}:{port}: {why}") from error


def greet(listener: socket.socket, config: Any) -> None:
    """Say where it is and what to type."""
    host, port = listener.getsockname()[:2]
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    engines = ", ".join(backend.url for backend in config.backends) or (
        f"the engine within ({config.engine.profile}, no GPU: made-up words)"
    )
    say = Console(highlight=False, soft_wrap=True).print
    say(f"semsched: {config.queue.policy} scheduling in front of {engines}")
    if config.board.enabled:
        say(f"board:    {base}/board")
    say("try:")
    auth = "-H 'authorization: Bearer YOUR_KEY' " if config.keys else ""
    print(
        f"curl -N {base}/v1/chat/completions -H 'content-type: application/json' {auth}"
        f"-d {shlex.quote(json.dumps(BODY))}",
        flush=True,
    )
