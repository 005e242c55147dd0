import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.serve.config import GatewayConfig
from semsched.serve.keys import MAX_KEY_BYTES, Key, KeyRing, RateLimit, new_key
from semsched.web.failure import ApiError

KEY, OTHER, ADMIN = "sk-one", "sk-two", "sk-admin"


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def ring(**limits: object) -> KeyRing:
    """Two keys, of a ward and of a newsletter; `limits` are the ward's."""
    keys = [
        {"sha256": sha256(KEY), "tenant": "ward", "ceiling": "critical", **limits},
        {"sha256": sha256(OTHER), "tenant": "news", "ceiling": "low"},
    ]
    return KeyRing(GatewayConfig.model_validate({"keys": keys}))


def bearer(key: str | bytes) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + (key.encode() if isinstance(key, str) else key)


def refusal(keys: KeyRing, *headers: tuple[bytes, bytes]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        keys.find(headers)
    return caught.value


# --- who it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        bearer(KEY),
        (b"Authorization", b"bEARER sk-one"),
        (b"authorization", b" Bearer \t sk-one "),
        (b"x-api-key", b"sk-one"),
        (b"X-Api-Key", b" sk-one"),
    ],
)
def test_a_known_key_is_found(header: tuple[bytes, bytes]) -> None:
    key = ring().find([(b"host", b"h"), header])
    assert key == Key(tenant="ward", ceiling=0)
    assert ring().find([bearer(OTHER)]).tenant == "news"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [bearer("sk-three")],
        [bearer(KEY), bearer(KEY)],
        [bearer(KEY), bearer(OTHER)],
        [bearer(KEY), (b"x-api-key", KEY.encode())],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Basic sk-one")],
        [(b"authorization", b"sk-one")],
        [(b"authorization", b"Bearersk-one")],
        [(b"authorization", b"Bearer sk-one, Bearer sk-two")],
        [(b"authorization", b"Bearer sk-one\x00")],
        [(b"authorization", b"Bearer sk-one\n")],
        [(b"authorization", "Bearer sk-\u03bfne".encode())],
        [(b"authorization", b"Bearer SK-ONE")],
        [bearer(sha256(KEY))],
        [bearer("k" * (MAX_KEY_BYTES + 1))],
        [(b"cookie", b"authorization=Bearer sk-one")],
    ],
)
def test_all_others_are_refused_alike(headers: list[tuple[bytes, bytes]]) -> None:
    error = refusal(ring(), *headers)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.body == refusal(ring()).body, "it does not say what was wrong"


@pytest.mark.parametrize("header", [b"authorization", b"x-api-key"])
def test_the_longest_key(header: bytes) -> None:
    key = "k" * MAX_KEY_BYTES
    listed = [{"sha256": sha256(key + end), "tenant": f"long{end}"} for end in ("", "k")]
    keys = KeyRing(GatewayConfig.model_validate({"keys": listed}))
    scheme = b"Bearer " if header == b"authorization" else b""
    assert keys.find([(header, scheme + key.encode())]).tenant == "long"
    assert refusal(keys, (header, scheme + key.encode() + b"k")).status == 401


def test_hashes_that_begin_alike_are_told_apart() -> None:
    digest = sha256(KEY)
    alike = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    listed = [{"sha256": alike, "tenant": "a"}, {"sha256": digest, "tenant": "b"}]
    both = KeyRing(GatewayConfig.model_validate({"keys": listed}))
    assert both.find([bearer(KEY)]).tenant == "b"
    only = KeyRing(GatewayConfig.model_validate({"keys": listed[:1]}))
    assert refusal(only, bearer(KEY)).status == 401


def test_without_keys_everybody_is_anonymous() -> None:
    keys = KeyRing(GatewayConfig.model_validate({"anonymous": {"ceiling": 1}}))
    for headers in ([], [bearer("dummy")], [bearer(KEY), bearer(KEY)]):
        key = keys.find(headers)
        assert (key.tenant, key.ceiling) == ("anonymous", 1)


def test_a_new_key_is_found_by_its_hash() -> None:
    key, digest = new_key()
    keys = KeyRing(GatewayConfig.model_validate({"keys": [{"sha256": digest, "tenant": "t"}]}))
    assert keys.find([bearer(key)]).tenant == "t"
    assert new_key() != (key, digest)
    assert len(key) >= 43


# --- how often it comes --------------------------------------------------------------------------


def test_a_tenant_that_comes_too_often_is_told_when_to_come_again() -> None:
    keys = ring(requests_per_minute=2)
    for now in (100.0, 100.0):
        assert keys.admit([bearer(KEY)], now).tenant == "ward"
    with pytest.raises(ApiError) as caught:
        keys.admit([bearer(KEY)], 101.0)
    error = caught.value
    assert (error.status, error.code, error.retry_after) == (429, "rate_limit_exceeded", 29.0)
    for _ in range(9):
        keys.admit([bearer(OTHER)], 101.0)  # has no limit
    keys.admit([bearer(KEY)], 130.0)


def test_keys_of_one_tenant_share_its_rate() -> None:
    listed = [
        {"sha256": sha256(key), "tenant": "t", "requests_per_minute": 1} for key in (KEY, OTHER)
    ]
    keys = KeyRing(GatewayConfig.model_validate({"keys": listed}))
    keys.admit([bearer(KEY)], 0.0)
    with pytest.raises(ApiError, match="more than 1 requests in a minute"):
        keys.admit([bearer(OTHER)], 1.0)


def test_who_is_refused_does_not_count() -> None:
    keys = ring(requests_per_minute=1)
    with pytest.raises(ApiError):
        keys.admit([bearer("sk-three")], 0.0)
    keys.admit([bearer(KEY)], 0.0)


def test_anonymous_has_a_rate_too() -> None:
    keys = KeyRing(GatewayConfig.model_validate({"anonymous": {"requests_per_minute": 1}}))
    keys.admit([], 0.0)
    with pytest.raises(ApiError):
        keys.admit([bearer("a")], 59.0)
    keys.admit([bearer("b")], 60.0)


@given(st.integers(1, 200), st.lists(st.floats(0, 30), min_size=1, max_size=300), st.floats(0, 1e9))
def test_a_rate_is_kept_over_any_time(per_minute: int, gaps: list[float], start: float) -> None:
    rate, now, taken = RateLimit(per_minute), start, []
    for gap in gaps:
        now += gap
        wait = rate.take(now)
        assert 0 <= wait <= 60 / per_minute + 1e-3
        if not wait:
            taken.append(now)
    for i, first in enumerate(taken):
        within = sum(1 for at in taken[i:] if at - first < 60 - 1e-3)
        assert within <= 2 * per_minute
    span = taken[-1] - taken[0] if taken else 0.0
    assert len(taken) <= per_minute + math.ceil(span * per_minute / 60 + 1e-3)


@given(st.integers(1, 1000), st.floats(0, 1e9))
def test_who_waits_as_told_is_let_in(per_minute: int, now: float) -> None:
    rate = RateLimit(per_minute)
    for _ in range(per_minute):
        assert rate.take(now) == 0.0
    wait = rate.take(now)
    assert wait == pytest.approx(60 / per_minute, abs=1e-3)
    assert rate.take(now + wait / 2) > 0
    assert rate.take(now + wait) == 0.0


def test_time_that_goes_backwards_gives_nothing_away() -> None:
    rate = RateLimit(1)
    assert rate.take(100.0) == 0.0
    assert [rate.take(now) for now in (90.0, 80.0, 100.0, 159.0)] == [60.0, 60.0, 60.0, 1.0]


# --- who steers ----------------------------------------------------------------------------------


def test_without_any_keys_this_machine_steers() -> None:
    keys = KeyRing(GatewayConfig())
    for headers in ([], [bearer(KEY)]):
        assert keys.is_admin(headers, "127.0.0.1")
        assert not keys.is_admin(headers, "10.0.0.1")
    assert not keys.is_admin([(b"x-forwarded-for", b"10.0.0.1")], "127.0.0.1")


def test_where_clients_have_keys_the_administrator_needs_one() -> None:
    for headers in ([], [bearer(KEY)]):
        assert not ring().is_admin(headers, "127.0.0.1"), "a proxy may speak for anybody"


def test_with_a_key_only_the_key_steers() -> None:
    keys = KeyRing(GatewayConfig.model_validate({"admin": {"sha256": sha256(ADMIN)}}))
    assert keys.is_admin([bearer(ADMIN), (b"x-forwarded-for", b"1.2.3.4")], "10.0.0.1")
    assert not keys.is_admin([], "127.0.0.1")
    assert not keys.is_admin([bearer(KEY)], "127.0.0.1")
    assert not keys.is_admin([bearer(ADMIN), bearer(ADMIN)], "127.0.0.1")
