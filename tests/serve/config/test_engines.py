from pathlib import Path

import pytest

from semsched.core.scheduling import Scheduling
from semsched.serve.config import Backend
from tests.serve.config.loading import BACKEND, faults, loaded


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("seat = 1", "3: backends[0].seat: unknown key: use one of url, name, kind, seats,"),
        ("api_key = 'k'", "3: backends[0].api_key: unknown key: use one of url, name, kind,"),
        ("seats = 0", "3: backends[0].seats: should be greater than 0"),
        ("seats = 2\nreserve = 2", "4: backends[0].reserve: must be less than seats (2)"),
        ("reserve = -1", "3: backends[0].reserve: should be greater than or equal to 0"),
        ("kind = 'tgi'", "3: backends[0].kind: should be 'openai', 'vllm' or 'sglang'"),
        ("preempts = true", '3: backends[0].preempts: has no effect with kind = "openai"'),
        (
            "kind = 'vllm'\nlow_values_first = true",
            '4: backends[0].low_values_first: has no effect with kind = "vllm": leave it out',
        ),
        (
            f'{BACKEND}name = "b"\n{BACKEND}',
            "6: backends[2].name: a:1 is the name of backends[0]: give another",
        ),
        ("name = 'a b'", "3: backends[0].name: must be 1 to 100 letters, digits and signs"),
        ("api_key_env = 'sk-1'", "3: backends[0].api_key_env: must be the name of an environment"),
        ('health_path = "health"', "3: backends[0].health_path: must begin with /"),
        ('health_path = "/#1"', "3: backends[0].health_path: must begin with /"),
        ("connect_time = 0", "3: backends[0].connect_time: should be greater than 0"),
        ("[engine]", "3: engine: has no effect with [[backends]]: remove one of the two"),
    ],
)
def test_a_fault_of_a_backend(tmp_path: Path, text: str, fault: str) -> None:
    [told] = faults(tmp_path, BACKEND + text)
    assert told.startswith(fault)


@pytest.mark.parametrize(
    "url",
    [
        *("", "a:1", "//a:1", "ftp://a:1", "unix:///x", "http://", "http://:80", "http://a:x"),
        *("http://a:99999", "http://[::1", "http://a b", "http://a\\n", "http://ä"),
        *("http://a\\u0000", "http://u@a", "http://u:secret@a", "http://@a", "http://a?x"),
        *("http://a/v1#x", "http://a?", f"http://{'a' * 3000}"),
    ],
)
def test_what_is_no_address_of_an_api_is_refused(tmp_path: Path, url: str) -> None:
    [told] = faults(tmp_path, f'[[backends]]\nname = "n"\nurl = "{url}"')
    assert told.startswith("3: backends[0].url: ")
    assert "secret" not in told


@pytest.mark.parametrize(
    ("url", "base", "name"),
    [
        ("http://a:8000", "http://a:8000", "a:8000"),
        ("http://a:8000/", "http://a:8000", "a:8000"),
        ("https://a.example/v1/", "https://a.example", "a.example"),
        ("http://[::1]:80/api/v1", "http://[::1]:80/api", "[::1]:80"),
        ("http://a/v10", "http://a/v10", "a"),
    ],
)
def test_a_url_is_the_base_of_an_api_and_gives_the_name(url: str, base: str, name: str) -> None:
    backend = Backend(url=url)
    assert (backend.url, backend.name) == (base, name)
    assert Backend(url=url, name="b").name == "b"


def test_the_key_of_a_backend_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend(url="http://a:1", api_key_env="A_KEY")
    for bad in ("", " ", "a b", "ä"):
        monkeypatch.setenv("A_KEY", bad)
        with pytest.raises(ValueError, match="backend a:1: environment variable A_KEY holds no"):
            backend.api_key()
    monkeypatch.setenv("A_KEY", " sk-1\n")
    key = backend.api_key()
    assert key is not None
    assert key.get_secret_value() == "sk-1"
    assert Backend(url="http://a:1").api_key() is None


def test_the_engine_within_is_set_as_any_other(tmp_path: Path) -> None:
    engine = loaded(tmp_path, '[engine]\nspeed = 2\nbatching = "chunked"\nseed = 7\n').engine
    assert isinstance(engine, Scheduling)
    assert (engine.speed, engine.seed, engine.batching) == (2.0, 7, "chunked")
    [told] = faults(tmp_path, '[engine]\nbatching = "chunked"\nmax_num_batched_tokens = 1')
    assert told.startswith("1: engine: max_num_batched_tokens (1) must be at least max_num_seqs")
