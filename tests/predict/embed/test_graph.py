from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from semsched.predict.embed import Encoder
from semsched.predict.embed.graph import minilm
from tests.predict.embed.reference import embed

Weights = dict[str, NDArray[Any]]

TEXTS = [
    "",
    "My father has crushing chest pain and cannot breathe.",
    "def f(x): return {k: v for k, v in x.items()}",
    "\u4f60\u597d \u043f\u0440\u0438\u0432\u0435\u0442",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_graph_agrees_with_the_papers(
    encoder: Encoder, float_encoder: Encoder, weights: Weights, text: str
) -> None:
    expected = embed(weights, encoder._tokenizer.encode(text).ids)
    np.testing.assert_allclose(float_encoder.encode([text])[0], expected, atol=1e-5)


def test_the_graph_agrees_with_what_its_authors_print(float_encoder: Encoder) -> None:
    """First numbers of the model's output in the documentation of sentence-transformers."""
    embedding = float_encoder.encode(["This is an example sentence"])[0]
    np.testing.assert_allclose(embedding[:4], [0.0677, 0.0635, 0.0487, 0.0793], atol=5e-5)


def test_padding_changes_nothing(encoder: Encoder, float_session: InferenceSession) -> None:
    tokens = [encoder._tokenizer.encode(text).ids for text in TEXTS]
    ids = np.full((len(TEXTS), max(map(len, tokens)) + 3), 7, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, kept in enumerate(tokens):
        ids[row, : len(kept)], mask[row, : len(kept)] = kept, 1
    (batch,) = float_session.run(None, {"input_ids": ids, "attention_mask": mask})
    for row, kept in zip(batch, tokens, strict=True):
        alone = {"input_ids": [kept], "attention_mask": [[1] * len(kept)]}
        inputs = {name: np.array(value, dtype=np.int64) for name, value in alone.items()}
        np.testing.assert_allclose(row, float_session.run(None, inputs)[0][0], atol=1e-5)


def test_the_longest_sequence_runs(float_session: InferenceSession) -> None:
    ids = np.ones((1, 512), dtype=np.int64)
    (embedding,) = float_session.run(None, {"input_ids": ids, "attention_mask": ids})
    assert embedding.shape == (1, 384)


def test_the_graph_is_sound(weights: Weights) -> None:
    model = minilm(weights)
    onnx.checker.check_model(model, full_check=True)
    (output,) = model.graph.output
    assert [each.name for each in model.graph.input] == ["input_ids", "attention_mask"]
    assert (output.name, output.type.tensor_type.shape.dim[1].dim_value) == ("embedding", 384)
