"""Who a client is, by its key. Keys are known by their hashes only."""

import hashlib
import hmac
import math
import re
import secrets

from semsched.serve.claims import Headers
from semsched.serve.config import GatewayConfig, Key
from semsched.web.failure import ApiError
from semsched.web.local import is_local

__all__ = ["Key", "KeyRing", "RateLimit", "new_key"]

MAX_KEY_BYTES = 512

PREFIX = "sk-semsched-"
"""By which those who look for secrets in files know ours."""

MINUTE = 60.0
NO_WAIT = 1e-6
"""Seconds; less than this is the rounding of an instant."""

_PREFIX_BYTES = 8
"""Of a hash, to look it up by; the whole is compared in constant time."""

_SHOWN = {
    b"authorization": re.compile(rb"(?i:bearer)[ \t]+([!-~]{1,%d})" % MAX_KEY_BYTES),
    b"x-api-key": re.compile(rb"([!-~]{1,%d})" % MAX_KEY_BYTES),
}
"""Where a client may show its key."""


def new_key() -> tuple[str, str]:
    """A new key, and the SHA-256 by which the configuration knows it."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, hashlib.sha256(key.encode()).hexdigest()


class RateLimit:
    """So many requests a minute, which may come all at once; pure: the time is told.

    A token bucket in seconds: every request costs a share of a minute, and time pays it back.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self.requests_per_minute = requests_per_minute
        self._cost = MINUTE / requests_per_minute
        self._owed = 0.0
        self._seen_at = -math.inf

    def take(self, now: float) -> float:
        """0.0 if a request may come now, and it counts; else seconds to wait, and it does not.

        `now` in seconds; where it goes backwards, time stands still.
        """
        self._owed = max(self._owed - max(now - self._seen_at, 0.0), 0.0)
        self._seen_at = max(self._seen_at, now)
        wait = self._owed + self._cost - MINUTE
        if wait > NO_WAIT:
            return wait
        self._owed += self._cost
        return 0.0


class KeyRing:
    """The keys of a configuration, and how often their tenants came lately."""

    def __init__(self, config: GatewayConfig) -> None:
        self._keys: dict[bytes, list[tuple[bytes, Key]]] = {}
        for listed in config.keys:
            digest = bytes.fromhex(listed.sha256)
            self._keys.setdefault(digest[:_PREFIX_BYTES], []).append((digest, listed.granted))
        self._anonymous = None if config.keys else config.anonymous
        self._admin = bytes.fromhex(config.admin.sha256) if config.admin.sha256 else None
        self._rates = {
            key.tenant: RateLimit(key.requests_per_minute)
            for key in config.keys or [config.anonymous]
            if key.requests_per_minute is not None
        }

    def go_on_from(self, old: "KeyRing") -> None:
        """What tenants have taken of a rate that did not change counts on."""
        for tenant, rate in self._rates.items():
            before = old._rates.get(tenant)
            if before is not None and before.requests_per_minute == rate.requests_per_minute:
                self._rates[tenant] = before

    def admit(self, headers: Headers, now: float) -> Key:
        """Whose request it is, which counts against the rate of its tenant from now on.

        Raises ApiError: 401 for no key that is known, 429 if the tenant came too often.
        """
        key = self.find(headers)
        rate = self._rates.get(key.tenant)
        wait = rate.take(now) if rate else 0.0
        if wait:
            message = f"more than {key.requests_per_minute} requests in a minute"
            raise ApiError(429, "rate_limit_exceeded", message, retry_after=wait)
        return key

    def find(self, headers: Headers) -> Key:
        """What the client's key grants. Raises ApiError (401), which never says what was wrong."""
        if self._anonymous is not None:
            return self._anonymous
        digest = _digest_of(headers)
        for known, key in self._keys.get(digest[:_PREFIX_BYTES], ()):
            if hmac.compare_digest(known, digest):
                return key
        raise ApiError(401, "invalid_api_key", "no valid key: send Authorization: Bearer KEY")

    def is_admin(self, headers: Headers, peer_host: str | None) -> bool:
        """Whether the client may see and steer everything: by the administrator's key or, where
        no keys are configured at all, by being a program on this machine that speaks for itself
        (a proxy on this machine may speak for anybody)."""
        if self._admin is not None:
            return hmac.compare_digest(_digest_of(headers), self._admin)
        return self._anonymous is not None and is_local(headers, peer_host)


def _digest_of(headers: Headers) -> bytes:
    """The hash of the key that the client shows; b'' if it shows none, or several."""
    shown = [(name.lower(), value) for name, value in headers if name.lower() in _SHOWN]
    if len(shown) != 1:
        return b""
    [(name, value)] = shown
    match = _SHOWN[name].fullmatch(value.strip(b" \t"))
    return hashlib.sha256(match[1]).digest() if match else b""
