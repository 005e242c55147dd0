import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from semsched.cli import main


def test_it_serves_streams_to_the_printed_line_and_stops_when_told() -> None:
    command = [sys.executable, "-m", "semsched", "engine", "--port", "0", "--speed", "100"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        killer = threading.Timer(30, run.kill)
        killer.start()
        assert run.stdout is not None
        line = run.stdout.readline()
        assert line.startswith("curl -N http://127.0.0.1:")
        curl = ["sh", "-c", f"{line.strip()} --silent --retry 9 --retry-connrefused"]
        answer = subprocess.run(curl, check=True, capture_output=True, text=True).stdout
        os.kill(run.pid, signal.SIGTERM)
        _, errors = run.communicate()
        killer.cancel()
    assert answer.count("data: ") > 3
    assert answer.endswith("data: [DONE]\n\n")
    assert errors == ""


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["engine", "--port", str(port)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        f"semsched: error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--setting", "abacus"], "profile abacus: not known"),
        (["--speed", "0"], "--speed"),
        (["--port", "70000"], "--port"),
        (["--error-rate", "2"], "--error-rate"),
        (["--error-rate", "0.7", "--cut-rate", "0.7"], "the rates of faults must not exceed 1"),
        (["--host", "not.a.host.invalid"], "cannot listen on not.a.host.invalid:8001"),
    ],
)
def test_a_bad_flag_is_one_line(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engine", *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
