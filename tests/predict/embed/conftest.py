from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load

from semsched.predict.embed import Encoder
from semsched.predict.embed.files import read_weights
from semsched.predict.embed.graph import minilm


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export; tests leave it as it is."""
    exported = tmp_path_factory.mktemp("minilm")
    Encoder.load(exported)
    return exported


@pytest.fixture(scope="session")
def encoder(folder: Path) -> Encoder:
    return Encoder.load(folder)


@pytest.fixture(scope="session")
def weights() -> dict[str, NDArray[Any]]:
    return load(read_weights())


@pytest.fixture(scope="session")
def float_session(weights: dict[str, NDArray[Any]]) -> onnxruntime.InferenceSession:
    """The graph before it is quantised."""
    graph = minilm(weights).SerializeToString()
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="session")
def float_encoder(encoder: Encoder, float_session: onnxruntime.InferenceSession) -> Encoder:
    return Encoder(encoder._tokenizer, float_session)
