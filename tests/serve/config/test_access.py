from pathlib import Path

import pytest

from semsched.serve.config import GatewayConfig
from tests.serve.config.loading import HASH, KEY, OTHER, faults, loaded


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ceiling = 5", "4: keys[0].ceiling: should be less than 5"),
        ("ceiling = -1", "4: keys[0].ceiling: should be greater than or equal to 0"),
        ("ceiling = true", "4: keys[0].ceiling: should be a valid integer"),
        ("ceiling = 2.0", "4: keys[0].ceiling: should be a valid integer"),
        (
            "ceiling = 'Low'",
            "4: keys[0].ceiling: should be one of critical, urgent,",
        ),
        ("weight = 0", "4: keys[0].weight: should be greater than or equal to 0.001"),
        ("weight = nan", "4: keys[0].weight: should be"),
        ("max_waiting = 0", "4: keys[0].max_waiting: should be greater than 0"),
        ("requests_per_minute = 0.5", "4: keys[0].requests_per_minute: should be a valid integer"),
        ("above_ceiling = 'ok'", "4: keys[0].above_ceiling: should be 'clamp' or 'refuse'"),
        ("key = 'k'", "4: keys[0].key: unknown key: use one of tenant, ceiling, above_ceiling,"),
        ("[anonymous]", "4: anonymous: has no effect with [[keys]]: remove one of the two"),
        (f"\n{KEY}", "6: keys[1].sha256: is that of keys[0], too: make a new key"),
        (
            f'[admin]\nsha256 = "{HASH.upper()}"',
            "2: keys[0].sha256: is that of [admin], too: make a new key",
        ),
        (
            f"weight = 2\n{KEY.replace(HASH, OTHER)}",
            "5: keys[1].weight: must be as in keys[0]: it is the tenant's",
        ),
        (
            f"{KEY.replace(HASH, OTHER)}requests_per_minute = 2",
            "7: keys[1].requests_per_minute: must be as in keys[0]: it is the tenant's",
        ),
    ],
)
def test_a_fault_of_a_key(tmp_path: Path, text: str, fault: str) -> None:
    [told] = faults(tmp_path, KEY + text)
    assert told.startswith(fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tenant = 't'", "1: keys[0].sha256: is missing"),
        (f"sha256 = '{HASH}'", "1: keys[0].tenant: is missing"),
        (f"sha256 = '{HASH}'\ntenant = ''", "3: keys[0].tenant: must be 1 to 100 letters"),
        (f"sha256 = '{HASH}'\ntenant = 'a b'", "3: keys[0].tenant: must be 1 to 100 letters"),
        (f"sha256 = '{HASH[1:]}'\ntenant = 't'", "2: keys[0].sha256: must be the SHA-256"),
        (f"sha256 = '{HASH}\\n'\ntenant = 't'", "2: keys[0].sha256: must be the SHA-256"),
        (f"sha256 = '{'g' * 64}'\ntenant = 't'", "2: keys[0].sha256: must be the SHA-256"),
    ],
)
def test_what_a_key_must_have(tmp_path: Path, text: str, fault: str) -> None:
    [told] = faults(tmp_path, f"[[keys]]\n{text}")
    assert told.startswith(fault)


def test_a_ceiling_is_a_name_or_a_number(tmp_path: Path) -> None:
    config = loaded(tmp_path, f'{KEY}ceiling = "urgent"\n{KEY.replace(HASH, OTHER)}ceiling = 4\n')
    assert [key.ceiling for key in config.keys] == [1, 4]


def test_without_keys_everybody_may_claim_anything() -> None:
    anonymous = GatewayConfig().anonymous
    assert (anonymous.tenant, anonymous.ceiling, anonymous.above_ceiling) == (
        *("anonymous", 0),
        "clamp",
    )
    assert anonymous.requests_per_minute is None


def test_hashes_are_not_shown() -> None:
    config = GatewayConfig.model_validate(
        {"keys": [{"sha256": HASH, "tenant": "t"}], "admin": {"sha256": OTHER}}
    )
    assert HASH not in repr(config)
    assert OTHER not in repr(config)
    assert not hasattr(config.keys[0].granted, "sha256")
