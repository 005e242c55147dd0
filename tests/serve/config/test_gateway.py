from pathlib import Path

import pytest
from pydantic import ValidationError

from semsched.policy import PATIENCE
from semsched.serve.config import Engine, GatewayConfig
from tests.serve.config.loading import BACKEND, faults, loaded

JUDGE = '[urgency.judge]\nmodel = "m"\n'


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert config == GatewayConfig()
    assert config.queue.max_wait == (60.0,) * 5
    assert config.queue.patience == tuple(PATIENCE)
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)
    assert config.engine == Engine()


def test_it_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        GatewayConfig().server.port = 1


def test_its_values_are_read(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[queue]\npolicy = "aging"\npatience = [0, 1, 2.5, 3, 3]\nmax_wait = [1, 2, 3, 4, 5.5]\n'
        f'{JUDGE}url = "http://j/v1"\n'
        '[[urgency.rules]]\nname = "r"\nurgency = 1\ntenant = "t"\n'
        '[length]\nstate = "a/b"\n[telemetry]\notlp_endpoint = "http://c:4318"\n',
    )
    assert config.queue.patience == (0, 1, 2.5, 3, 3)
    assert config.queue.max_wait == (1, 2, 3, 4, 5.5)
    assert config.urgency.judge is not None
    assert [rule.urgency for rule in config.urgency.rules] == [1]
    assert config.length.state == Path("a/b")
    assert config.telemetry.otlp_endpoint == "http://c:4318"


def test_a_wait_for_all_is_a_wait_for_each(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[queue]\nmax_wait = 7").queue.max_wait == (7.0,) * 5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[sever]", "1: sever: unknown key: use one of server, queue, backends,"),
        ("[server]\nport = 65536", "2: server.port: should be less than or equal to 65535"),
        ('[server]\nport = "80"', "2: server.port: should be a valid integer"),
        ("[server]\nbody_time = 0", "2: server.body_time: should be greater than 0"),
        ("[server]\nbody_time = inf", "2: server.body_time: should be a finite number"),
        ("[server]\nmax_connections = true", "2: server.max_connections: should be a valid"),
        (
            "[queue]\nmax_waiting_bytes = 9",
            "2: queue.max_waiting_bytes: must be at least server.max_body_bytes (4194304)",
        ),
        (
            "[server]\nmax_body_bytes = 1_000_000_000",
            " queue.max_waiting_bytes: must be at least server.max_body_bytes (1000000000)",
        ),
        (
            '[queue]\npolicy = "lifo"',
            "2: queue.policy: unknown policy 'lifo': use one of fcfs, sjf,",
        ),
        (
            '[queue]\npolicy = "no.such:thing"',
            "2: queue.policy: cannot load policy 'no.such:thing': ModuleNotFoundError",
        ),
        ("[queue]\nprofile = 'B200'", "2: queue.profile: profile B200: not known: use one of"),
        ("[engine]\nprofile = 'x.toml'", "2: engine.profile: profile x.toml: cannot be read"),
        ("[queue]\nmax_wait = 0", "2: queue.max_wait: should be greater than 0"),
        ("[queue]\nmax_wait = [1, 2,\n 0, 3, 4]", "3: queue.max_wait[2]: should be greater"),
        ("[queue]\nmax_wait = [1, 2]", "2: queue.max_wait: must be 5 numbers, one for each class"),
        ("[queue]\nmax_wait = 'long'", "2: queue.max_wait: should be a valid number"),
        (
            '[queue]\npolicy = "aging"\npatience = [0, 1]',
            "3: queue.patience: must be 5 numbers, one for each class",
        ),
        (
            '[queue]\npolicy = "aging"\npatience = [4, 3, 2, 1, 0]',
            "3: queue.patience: must not fall: the most urgent class comes first",
        ),
        (
            "[queue]\npatience = [0, 1, 2, 3, 4]",
            '2: queue.patience: has no effect without policy = "aging": leave it out',
        ),
        ("backends = 3", "1: backends: should be a list"),
        ("[[backends]]", "1: backends[0].url: is missing"),
        (
            f"{JUDGE}url = 'http://u:p@j'",
            "3: urgency.judge.url: must hold no user, password, query or fragment",
        ),
        (JUDGE, "1: urgency.judge.url: is missing"),
        (
            f"{JUDGE}url = 'http://j'\nx = 1",
            "4: urgency.judge.x: unknown key: use one of url, model, api_key_env, timeout,",
        ),
        (
            "[urgency]\nembed = true\n[[urgency.rules]]\nname = 'r'\nurgency = 0\npattern = '('",
            "6: urgency.rules[0].pattern: missing )",
        ),
        (
            "[[urgency.rules]]\nname = 'r'\nurgency = 0",
            "1: urgency.rules[0]: must have a condition: tenant, header, metadata or pattern",
        ),
        ("[length]\nstate = 3", "2: length.state: should be the path of a file, as text"),
        ("[log]\nlevel = 'loud'", "2: log.level: should be 'debug', 'info', 'warning' or 'error'"),
        ("[telemetry]\notlp_endpoint = 'x'", "2: telemetry.otlp_endpoint: is no URL: write it as"),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    [told] = faults(tmp_path, text)
    assert told.startswith(fault)


def test_the_queue_may_hold_just_one_body(tmp_path: Path) -> None:
    text = "[server]\nmax_body_bytes = 7\n[queue]\nmax_waiting_bytes = 7"
    assert loaded(tmp_path, text).queue.max_waiting_bytes == 7


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = faults(tmp_path, f"[server]\nport = -1\n{BACKEND}kind = 'tgi'\n[log]\nlevel = 3\n")
    assert [line.split(": ")[:2] for line in told] == [
        ["2", "server.port"],
        ["5", "backends[0].kind"],
        ["7", "log.level"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[[keys]]\ntenant = "t"\nsha256 = "SECRET"',
        f'[[keys]]\ntenant = "t"\nsha256 = "SECRET{"0" * 58}"',
        '[[keys]]\ntenant = "t"\nsha256 = "SECRET',
        'keys = ["SECRET"]',
        'admin = "SECRET"',
        '[admin]\nsha256 = ["SECRET"]',
        f'{BACKEND}api_key_env = "sk-SECRET"',
        f'{BACKEND}api_key = "SECRET"',
        '[[backends]]\nurl = "http://x:SECRET@host"',
        '[[backends]]\nurl = "http://x:SECRET@host"\nkind = 3\nname = 3',
        f'{JUDGE}url = "http://x:SECRET@host"',
        f'{JUDGE}url = "http://host"\napi_key = "SECRET"',
        f'{JUDGE}url = "http://host"\napi_key_env = 3\ntimeout = "SECRET"',
    ],
)
def test_secrets_are_not_told(tmp_path: Path, text: str) -> None:
    told = "".join(faults(tmp_path, text))
    assert told
    assert "SECRET" not in told
