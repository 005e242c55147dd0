"""Reload: a changed configuration takes effect whole, or not at all.

On SIGHUP, and when the file changes. One that cannot be used is logged, and the old one stays.
Where the gateway listens, what it writes and its own engine are settled at the start.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from semsched.core.dispatch import Limits
from semsched.errors import InputError
from semsched.policy import Policy, aging_by, load_policy
from semsched.predict.length import LengthPredictor
from semsched.predict.urgency import SecondLook, UrgencyClassifier, shipped
from semsched.predict.urgency.judge import Judge
from semsched.serve.admission import Admission
from semsched.serve.config import GatewayConfig
from semsched.serve.embedded import Embedded
from semsched.serve.gateway import Service
from semsched.serve.keys import KeyRing

LOOK_EVERY = 0.25
"""Seconds between two looks at the file."""

SETTLED = ("server", "engine", "board", "log", "journal", "telemetry", "length")
"""Tables that only a restart changes; and so is the profile of [queue]."""

_log = logging.getLogger(__name__)

Stamp = tuple[int, int] | None
Read = Callable[[], GatewayConfig]


def policy_of(config: GatewayConfig) -> Policy:
    """The policy that the configuration names."""
    if config.queue.policy == "aging":
        return aging_by(config.queue.patience)
    return load_policy(config.queue.policy)


def limits_of(config: GatewayConfig) -> Limits:
    """How much may wait."""
    return Limits(config.queue.max_waiting, config.queue.max_waiting_bytes)


def classifier_of(config: GatewayConfig) -> UrgencyClassifier:
    """The urgency classifier. Raises InputError if it needs what is not installed."""
    if not config.urgency.embed:
        return _compiled()
    return replace(_compiled(), second=SecondLook.with_minilm(shipped().head))


@cache
def _compiled() -> UrgencyClassifier:
    """Made once: a reload shall not hold up the loop."""
    return UrgencyClassifier().compiled()


def admission_of(config: GatewayConfig, lengths: LengthPredictor) -> Admission:
    """How requests are read. Raises InputError if it needs what is not there."""
    classifier = classifier_of(config)
    classifier.classify("")  # the first request shall find everything loaded
    lengths.compile()
    return Admission(
        policy_of(config),
        config.queue.policy,
        config.urgency.rules,
        config.queue.max_wait,
        classifier,
        Judge(config.urgency.judge) if config.urgency.judge else None,
        lengths,
    )


class Reloader:
    """Notices changes and applies them."""

    def __init__(
        self,
        config: GatewayConfig,
        path: Path | None,
        read: Read,
        service: Service,
        embedded: Embedded,
    ) -> None:
        self._config = config
        self._path = path
        self._read = read
        self._service = service
        self._embedded = embedded
        self._called = asyncio.Event()
        self._stamp = self._look()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(signal.SIGHUP, self._called.set)
        seen = self._stamp
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._called.wait()
            before, seen = seen, self._look()
            is_changed = seen == before != self._stamp  # and nobody is still writing it
            if self._called.is_set() or is_changed:
                self._called.clear()
                self._stamp = seen
                await self.reload()

    async def reload(self) -> None:
        """Read the configuration again; whatever is wrong with it is logged."""
        try:
            config = self._read()
            await self._apply(config)
        except (InputError, OSError) as error:
            _log.error("configuration not changed: %s", error)
        except Exception:  # noqa: BLE001 - the old one goes on, and the next change is looked at
            _log.exception("configuration not changed")
        else:
            self._config = config
            _log.info("configuration reloaded")

    async def _apply(self, config: GatewayConfig) -> None:
        """Everything that may fail is made first."""
        service, old = self._service, self._service.admission
        if self._config.keys and not config.keys:  # half a file may be a whole one
            raise InputError("[[keys]]: all gone: only a restart opens the gateway to everybody")
        keys, admission = KeyRing(config), self._admission(config)
        keys.go_on_from(service.keys)
        backends = self._embedded.backends_of(config)
        await service.fleet.set(backends)
        service.keys, service.admission = keys, admission
        service.desk.set_limits(limits_of(config))
        if old.judge is not None and old.judge is not admission.judge:
            await old.judge.close()
        self._warn(config)

    def _warn(self, config: GatewayConfig) -> None:
        old = self._config
        changed = [f"[{name}]" for name in SETTLED if getattr(config, name) != getattr(old, name)]
        if config.queue.profile != old.queue.profile:
            changed.append("queue.profile")
        for name in changed:
            _log.warning("%s changed: takes effect after a restart", name)

    def _admission(self, config: GatewayConfig) -> Admission:
        """What did not change is kept: a judge remembers, an embedding takes long to load, a policy
        may have a state."""
        old, urgency, queue = self._service.admission, config.urgency, self._config.queue
        same_policy = (config.queue.policy, config.queue.patience) == (queue.policy, queue.patience)
        if urgency.embed == self._config.urgency.embed:
            classifier = old.classifier
        else:
            classifier = classifier_of(config)
        judge = old.judge
        if urgency.judge != self._config.urgency.judge:
            judge = Judge(urgency.judge) if urgency.judge else None
        return Admission(
            old.policy if same_policy else policy_of(config),
            config.queue.policy,
            urgency.rules,
            config.queue.max_wait,
            classifier,
            judge,
            old.lengths,
            old.explains,
        )

    def _look(self) -> Stamp:
        """What tells one version of the file from another; None if there is no file."""
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
