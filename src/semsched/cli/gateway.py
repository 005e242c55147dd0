"""`semsched serve`: the gateway on the command line."""

import gc
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from semsched.cli.commands import one_line_errors
from semsched.cli.errors import Failure, needing
from semsched.cli.listening import base_url, curl, listening
from semsched.errors import InputError

QUESTION = "My father has chest pain and cannot breathe. What should I do?"


@dataclass(frozen=True)
class Given:
    """What the command line says; it goes before the file. None: nothing."""

    config: Path | None
    host: str | None
    port: int | None
    backends: tuple[str, ...]
    kind: str | None
    policy: str | None
    journal: Path | None


def serve(given: Given) -> None:
    """Serve until told to stop. Raises Failure for what cannot be used."""
    with needing("serve", "serve"):
        from semsched.serve import logs
        from semsched.serve.app import app_of, build, server_limits
        from semsched.web.server import server_of
    with one_line_errors():
        config = configured(given)
    with listening(config.server.host, config.server.port) as listener:
        logs.configure(config.log.level, config.log.prompt_text)
        # Only now: where another gateway listens already, its journal must not be begun anew.
        with one_line_errors(), _files():
            gateway = build(lambda: configured(given), given.config)
        limits = server_limits(config)
        server = server_of(app_of(gateway), limits, config.server.grace_time, on_stop=gateway.stop)
        greet(listener, config)
        gc.freeze()  # what is loaded stays: to look through it again would halt everybody
        # Requests under way make Python look every few of them, in vain: 6 % of all time. So it
        # costs a tenth of that, and the halts are no longer than they were (8 ms).
        gc.set_threshold(3_000, 4, 50)
        server.run(sockets=[listener])


@contextmanager
def _files() -> Iterator[None]:
    """A file that cannot be opened becomes a Failure."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error


def configured(given: Given) -> Any:
    """The configuration of the file with what the command line says. Raises InputError."""
    from semsched.serve.config import GatewayConfig, load_config

    if given.kind and not given.backends:
        raise InputError("--kind: has no effect without --backend: leave it out")
    config = load_config(given.config) if given.config else GatewayConfig()
    flags: Mapping[str, Mapping[str, object]] = {
        "server": {"host": given.host, "port": given.port},
        "queue": {"policy": given.policy},
        "journal": {"path": str(given.journal) if given.journal else None},
    }
    changes = {name: _changed(getattr(config, name), values) for name, values in flags.items()}
    if given.backends:
        kind = given.kind or "openai"
        changes["backends"] = tuple(_backend(url, kind) for url in given.backends)
    given_there = {name: getattr(config, name) for name in config.model_fields_set}
    with _faults():
        return GatewayConfig.model_validate({**given_there, **changes})


def _changed(table: Any, values: Mapping[str, object]) -> Any:
    said = {name: value for name, value in values.items() if value is not None}
    with _faults({name: f"--{name}" for name in said}):
        return type(table).model_validate({**table.model_dump(exclude_unset=True), **said})


def _backend(url: str, kind: str) -> Any:
    from semsched.serve.config import Backend

    with _faults({"url": "--backend"}):
        return Backend.model_validate({"url": url, "kind": kind})


@contextmanager
def _faults(flags: Mapping[str, str] | None = None) -> Iterator[None]:
    """What a model rejects becomes an InputError, which calls keys that flags set by the flag."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        parts = [str(part) for part in (*first["loc"], *first.get("ctx", {}).get("at", ()))]
        where = ".".join([(flags or {}).get(part, part) for part in parts])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {message}" if where else message) from None


def greet(listener: socket.socket, config: Any) -> None:
    """Say where it is and what to type."""
    engines = ", ".join(backend.url for backend in config.backends) or (
        f"the engine within ({config.engine.profile}, no GPU: made-up words)"
    )
    say = Console(highlight=False, markup=False, soft_wrap=True).print
    say(f"semsched: {config.queue.policy} scheduling in front of {engines}")
    if config.board.enabled:
        say(f"board:    {base_url(listener)}/board")
    say("try:")
    headers = ["authorization: Bearer YOUR_KEY"] if config.keys else []
    print(curl(listener, QUESTION, headers), flush=True)
