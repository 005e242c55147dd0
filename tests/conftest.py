"""What holds for all tests."""

import asyncio
from collections.abc import Iterator
from types import ModuleType
from unittest.mock import patch

import pytest
import uvicorn.server

from semsched.predict.length import LengthPredictor
from semsched.predict.urgency import UrgencyClassifier
from semsched.predict.urgency.kernel.compile import CODE
from tests.vllm import VLLM, vllm


class _Hurried(ModuleType):
    """asyncio, for somebody who sleeps a tenth of a second wherever he waits for something."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@pytest.fixture(scope="session", autouse=True)
def _servers_stop_soon() -> Iterator[None]:
    """uvicorn takes 0.2 s to stop, most of which it sleeps; there are hundreds of servers here."""
    with patch.object(uvicorn.server, "asyncio", _Hurried("asyncio")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _predictors_are_compiled() -> None:
    """A gateway in a process of its own shall start in seconds, on a new machine, too."""
    if not CODE.is_cached():
        UrgencyClassifier().compiled()
        LengthPredictor().compile()


@pytest.fixture(scope="session")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real vLLM."""
    if VLLM is None:
        pytest.skip("vLLM is not installed: make check-vllm")
    with vllm(tmp_path_factory.mktemp("vllm")) as url:
        yield url
