"""The API does what it says of itself: schemathesis reads /openapi.json and tries everything."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from semsched.serve.openapi import description
from tests.serve.live import Live, live

OPTIONS = [
    *("--phases", "coverage,fuzzing", "--max-examples", "8", "--seed", "0"),
    # the engine decides what it takes: fields nobody knows, or 7.0 where 7 is meant
    *("--exclude-checks", "negative_data_rejection,positive_data_acceptance"),
    *("--no-color", "--generation-database", "none"),
]


def test_every_path_is_described() -> None:
    async def scene(there: Live) -> None:
        async with there.http.get("/openapi.json") as answer:
            assert await answer.json() == description()

    live(scene)
    described: dict[str, Any] = description()["paths"]
    assert "/v1/responses" in described
    assert {"delete", "patch"} <= set(described["/admin/queue/{id}"])


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_whatever_is_asked_is_answered_as_described(tmp_path: Path) -> None:
    async def scene(there: Live) -> None:
        url = f"{there.url}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", url, *OPTIONS]
        run = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=PIPE, stderr=STDOUT
        )
        said, _ = await run.communicate()
        assert run.returncode == 0, said.decode()
        assert b"11 selected / 11 total" in said

    live(scene, {"engine": {"speed": 1000.0}})
