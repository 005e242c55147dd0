"""`semsched serve`: what it prints is what works, and what cannot be used is one line."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from semsched.cli import main
from semsched.cli.gateway import Given, configured
from semsched.cli.listening import curl

NOTHING = Given(None, None, None, (), "openai", None, None)
"""A command line without flags."""


@contextmanager
def serving(*flags: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A gateway on a free port, and the lines that it printed; killed if it hangs."""
    command = [sys.executable, "-m", "semsched", "serve", "--port", "0", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        killer = threading.Timer(30, run.kill)
        killer.start()
        assert run.stdout is not None
        said = [run.stdout.readline().rstrip() for _ in range(4)]
        try:
            yield run, said
        finally:
            run.kill()
            killer.cancel()


def shell(line: str) -> str:
    """What comes out of a line that is typed while the server is still starting."""
    typed = ["sh", "-c", f"{line} --silent --retry 9 --retry-connrefused"]
    return subprocess.run(typed, check=True, capture_output=True, text=True).stdout


def failing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The lines of a command that ends with exit code 2 before it serves."""
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.removeprefix("semsched: error: ").removesuffix("\n")


# --- it works ------------------------------------------------------------------------------------


def test_the_printed_line_streams_and_it_stops_when_told(folder: Path) -> None:
    (folder / "gateway.toml").write_text("[engine]\nspeed = 100.0\n")
    with serving("--config", "gateway.toml", "--policy", "aging") as (run, said):
        assert said[0] == (
            "semsched: aging scheduling in front of the engine within "
            "(A100_4B, no GPU: made-up words)"
        )
        assert said[1].startswith("board:    http://127.0.0.1:")
        assert said[2] == "try:"
        answer = shell(f"{said[3]} --include")
        assert "<title>" in shell(f"curl {said[1].split()[1]}")
        os.kill(run.pid, signal.SIGTERM)
        _, log = run.communicate()
    head, _, body = answer.partition("\n\n")
    assert "x-semsched-class: critical" in head
    assert body.count("data: ") > 3
    assert body.endswith("data: [DONE]\n\n")
    lines = [json.loads(line) for line in log.splitlines()]
    assert (lines[-1]["outcome"], lines[-1]["class"]) == ("finished", "critical")
    assert "chest" not in log
    assert run.returncode == 0


def test_with_keys_the_printed_line_says_where_to_put_one(folder: Path) -> None:
    (folder / "gateway.toml").write_text(f'[[keys]]\ntenant = "a"\nsha256 = "{"0" * 64}"\n')
    with serving("--config", "gateway.toml") as (_, said):
        assert "-H 'authorization: Bearer YOUR_KEY'" in said[3]
        assert '"code":"invalid_api_key"' in shell(said[3])


def test_the_line_survives_a_shell_whatever_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = curl(listener, 'What\'s "$HOME"?', ["x-tag: it's"])
    typed = ["sh", "-c", f'curl() {{ printf "%s\\n" "$@"; }}; {line}']
    words = subprocess.run(typed, check=True, capture_output=True, text=True).stdout.splitlines()
    assert words[4:6] == ["-H", "x-tag: it's"]
    assert """What's \\"$HOME\\"?""" in words[7]


def test_an_address_for_everybody_is_shown_as_one_that_can_be_typed() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104
        assert curl(listener, "x").startswith("curl -N http://127.0.0.1:")


# --- flags and file ------------------------------------------------------------------------------


def test_flags_go_before_the_file(folder: Path) -> None:
    (folder / "gateway.toml").write_text(
        '[server]\nport = 1\nhead_time = 3.0\n[queue]\npolicy = "sjf"\nmax_waiting = 7\n'
        '[[backends]]\nurl = "http://old:1"\n'
    )
    given = replace(
        NOTHING,
        config=Path("gateway.toml"),
        port=2,
        policy="edf",
        backends=("http://new:1/v1",),
        kind="vllm",
    )
    config = configured(given)
    assert (config.server.port, config.server.head_time) == (2, 3.0)
    assert (config.queue.policy, config.queue.max_waiting) == ("edf", 7)
    [backend] = config.backends
    assert (backend.url, backend.name, backend.kind) == ("http://new:1", "new:1", "vllm")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ["--port", "70000"],
            "Invalid value for '--port': Input should be less than or equal to 65535",
        ),
        (["--port", "web"], "Invalid value for '--port': Input should be a valid integer"),
        (["--host", ""], "--host: String should have at least 1 character"),
        (["--policy", "best"], "--policy: unknown policy 'best': use one of fcfs, sjf, pjf"),
        (["--kind", "best"], "Invalid value for '--kind'"),
        (["--backend", "gpu1"], "--backend: is no URL: write it as http://host:port"),
        (["--backend", "ftp://gpu1"], "--backend: is no URL: write it as http://host:port"),
        (["--backend", "http://me:pw@gpu1"], "--backend: must hold no user, password, query or"),
        (["--backend", "http://a:1", "--backend", "http://a:1"], "backends.1.name: a:1 is the"),
        (["--backend", "http://a:1", "--kind", "embedded"], "Invalid value for '--kind'"),
        (["--port", "0", "--journal", "nowhere/j"], "nowhere/j: No such file or directory"),
        (["--config", "nowhere.toml"], "nowhere.toml: cannot be read: No such file or directory"),
        (["--config", "."], ".: cannot be read: Is a directory"),
        (["--host", "not.a.host.invalid"], "cannot listen on not.a.host.invalid:8080: "),
        (["gateway.toml"], "Got unexpected extra argument"),
    ],
)
def test_a_flag_that_cannot_be_used_is_one_line(
    flags: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = failing(["serve", *flags], capsys)
    assert error.startswith(says)
    assert "\n" not in error
    assert "pw" not in error
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[server]\n\nprot = 1\n", "gateway.toml:3: server.prot: unknown key: use one of host, "),
        ("[server]\nport = '1'\n", "gateway.toml:2: server.port: should be a valid integer"),
        ("[queue]\npolicy = 'best'\n", "gateway.toml:2: queue.policy: unknown policy 'best'"),
        ("[server\n", "gateway.toml:1: not TOML: "),
        ("[[backends]]\nurl = 'gpu1'\n", "gateway.toml:2: backends[0].url: is no URL"),
        (
            "[[backends]]\nurl = 'http://gpu1:1'\napi_key_env = 'NO_SUCH_KEY'\n",
            "backend gpu1:1: environment variable NO_SUCH_KEY holds no API key",
        ),
        (
            "[urgency.judge]\nurl = 'http://a:1'\nmodel = 'm'\napi_key_env = 'NO_SUCH_KEY'\n",
            "judge: environment variable NO_SUCH_KEY holds no API key",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_line(
    content: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gateway.toml").write_text(content)
    error = failing(["serve", "--port", "0", "--config", "gateway.toml"], capsys)
    assert error.startswith(says)
    assert "\n" not in error


def test_several_faults_have_a_line_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "gateway.toml").write_text("[server]\nprot = 1\nhots = 2\n")
    error = failing(["serve", "--port", "0", "--config", "gateway.toml"], capsys)
    assert [line.split(": ")[:2] for line in error.splitlines()] == [
        ["gateway.toml:2", "server.prot"],
        ["gateway.toml:3", "server.hots"],
    ]


@pytest.mark.parametrize("file", ["", "[queue]\npolicy = 'aging'\npatience = [0, 1, 2, 3, 4]\n"])
def test_a_flag_that_is_at_odds_with_the_file(
    file: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gateway.toml").write_text(file or "[engine]\nspeed = 2.0\n")
    flags = ["--policy", "fcfs"] if file else ["--backend", "http://a:1"]
    error = failing(["serve", "--config", "gateway.toml", *flags], capsys)
    assert error.startswith("patience: has no effect" if file else "engine: has no effect")


def test_a_port_in_use_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (folder / "journal").write_text("of another gateway")
        error = failing(["serve", "--port", str(port), "--journal", "journal"], capsys)
    assert (folder / "journal").read_text() == "of another gateway"
    assert error == f"cannot listen on 127.0.0.1:{port}: Address already in use"


def test_without_the_extra_every_command_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['msgspec'] = None; from semsched.cli import main; "
        "print([main(line.split()) for line in ('serve', 'engine', 'new-key', 'replay x')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "[2, 2, 2, 2]\n"
    assert run.stderr.splitlines() == [
        f"semsched: error: semsched {command} needs msgspec: pip install 'semsched[serve]'"
        for command in ("serve", "engine", "new-key", "replay")
    ]
