"""The whole configuration: where to listen, who waits how, what is told to whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from semsched.policy import PATIENCE
from semsched.predict.urgency.judge import JudgeSettings
from semsched.predict.urgency.rules import MAX_RULES, Rule
from semsched.request import NUM_CLASSES
from semsched.serve.config.access import Admin, Anonymous, ListedKey
from semsched.serve.config.engines import Backend, Engine
from semsched.serve.config.file import Loc, fault, read_config
from semsched.serve.config.values import (
    DAY,
    MIB,
    FilePath,
    Policy,
    Profile,
    Seconds,
    SecondsPerClass,
    Table,
    Url,
    one_per_class,
)
from semsched.study.settings import DEFAULT_PROFILE


class Server(Table):
    """Where the gateway listens, and what it bears."""

    host: Annotated[str, Field(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="0 takes any free one.")] = 8080
    max_body_bytes: Annotated[
        int, Field(gt=0, le=2**30, description="Size of a request; larger ones are refused.")
    ] = 4 * MIB
    head_time: Annotated[
        Seconds, Field(description="Seconds in which the head of a request must arrive.")
    ] = 10.0
    body_time: Annotated[Seconds, Field(description="Seconds in which its body must arrive.")] = (
        30.0
    )
    max_connections: Annotated[
        int, Field(gt=0, le=1_000_000, description="Connections at once; more are refused.")
    ] = 4096
    grace_time: Annotated[
        int,
        Field(ge=0, le=DAY, description="Seconds to finish what is under way when told to stop."),
    ] = 30


def _in_order(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(values):
        raise ValueError("must not fall: the most urgent class comes first")
    return values


class Queue(Table):
    """Who runs first, and how many may wait for how long."""

    policy: Annotated[
        Policy, Field(description="A policy by its name, or your own as package.module:name.")
    ] = "semantic"
    patience: Annotated[
        tuple[Annotated[FiniteFloat, Field(ge=0, le=DAY)], ...],
        Field(strict=False),
        AfterValidator(one_per_class),
        AfterValidator(_in_order),
        Field(description="aging: head start in seconds that each class leaves to class 0."),
    ] = tuple(PATIENCE.tolist())
    max_waiting: Annotated[
        int, Field(gt=0, le=1_000_000, description="Requests that may wait; more are refused.")
    ] = 5000
    max_waiting_bytes: Annotated[
        int, Field(gt=0, le=2**40, description="Bytes that the bodies of all who wait may take.")
    ] = 256 * MIB
    max_wait: Annotated[
        SecondsPerClass,
        Field(description="Seconds until who still waits is refused; for all, or per class."),
    ] = (60.0,) * NUM_CLASSES
    profile: Annotated[
        Profile, Field(description="Engine profile by which seconds of service are predicted.")
    ] = DEFAULT_PROFILE

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if "patience" in self.model_fields_set and self.policy != "aging":
            raise fault(("patience",), 'has no effect without policy = "aging": leave it out')
        return self


class UrgencySettings(Table):
    """How the class of a request that claims none is found."""

    embed: Annotated[bool, Field(description="Look at the sentence embedding, too.")] = False
    judge: Annotated[
        JudgeSettings | None, Field(description="A chat model that gives a second opinion.")
    ] = None
    rules: Annotated[
        tuple[Rule, ...],
        Field(strict=False, max_length=MAX_RULES, description="Your own, before any model."),
    ] = ()


class LengthSettings(Table):
    """How the length of an answer is predicted."""

    state: Annotated[
        FilePath | None, Field(description="File in which what was learned outlives a restart.")
    ] = None


class Board(Table):
    """The page that shows the queue."""

    enabled: Annotated[bool, Field(description="Whether there is one.")] = True
    prompt_text: Annotated[bool, Field(description="Whether it shows what people wrote.")] = False


class Log(Table):
    """What is written to standard error, as JSON lines."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="From which level on.")
    ] = "info"
    prompt_text: Annotated[bool, Field(description="Whether it shows what people wrote.")] = False


class JournalSettings(Table):
    """A record of all decisions, which can be replayed."""

    path: Annotated[FilePath | None, Field(description="File to write it to.")] = None


class Telemetry(Table):
    """Traces of requests."""

    otlp_endpoint: Annotated[
        Url | None, Field(description="OTLP collector, as http://localhost:4318.")
    ] = None


class GatewayConfig(Table):
    """All that the gateway is told."""

    server: Server = Server()
    queue: Queue = Queue()
    backends: Annotated[tuple[Backend, ...], Field(strict=False, max_length=1000)] = ()
    engine: Engine = Engine()
    keys: Annotated[tuple[ListedKey, ...], Field(strict=False, max_length=100_000)] = ()
    anonymous: Anonymous = Anonymous()
    admin: Admin = Admin()
    urgency: UrgencySettings = UrgencySettings()
    length: LengthSettings = LengthSettings()
    board: Board = Board()
    log: Log = Log()
    journal: JournalSettings = JournalSettings()
    telemetry: Telemetry = Telemetry()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for at, why in (*self._ignored(), *self._repeated(), *self._at_odds()):
            raise fault(at, why)
        return self

    def _ignored(self) -> Iterator[tuple[Loc, str]]:
        if self.backends and "engine" in self.model_fields_set:
            yield ("engine",), "has no effect with [[backends]]: remove one of the two"
        if self.keys and "anonymous" in self.model_fields_set:
            yield ("anonymous",), "has no effect with [[keys]]: remove one of the two"

    def _repeated(self) -> Iterator[tuple[Loc, str]]:
        names: dict[str, int] = {}
        for i, backend in enumerate(self.backends):
            if names.setdefault(backend.name, i) != i:
                why = f"{backend.name} is the name of backends[{names[backend.name]}]: give another"
                yield ("backends", i, "name"), why
        hashes: dict[str | None, str] = {self.admin.sha256: "[admin]"}
        for i, key in enumerate(self.keys):
            if hashes.setdefault(key.sha256, f"keys[{i}]") != f"keys[{i}]":
                yield ("keys", i, "sha256"), f"is that of {hashes[key.sha256]}, too: make a new key"

    def _at_odds(self) -> Iterator[tuple[Loc, str]]:
        if self.queue.max_waiting_bytes < self.server.max_body_bytes:
            why = f"must be at least server.max_body_bytes ({self.server.max_body_bytes})"
            yield ("queue", "max_waiting_bytes"), why
        first: dict[str, tuple[int, ListedKey]] = {}
        for i, key in enumerate(self.keys):
            j, other = first.setdefault(key.tenant, (i, key))
            for name in ("weight", "max_waiting", "requests_per_minute"):
                if getattr(key, name) != getattr(other, name):
                    yield ("keys", i, name), f"must be as in keys[{j}]: it is the tenant's"


def load_config(path: Path) -> GatewayConfig:
    """The configuration in a TOML file. Raises ConfigError, a line for each fault."""
    return read_config(GatewayConfig, path)
