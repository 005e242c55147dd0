"""all-MiniLM-L6-v2 as an ONNX graph, node by node.

A BERT encoder (Devlin et al., NAACL 2019; the layers' order is theirs) with mean pooling and unit
length on top (Reimers and Gurevych, "Sentence-BERT", EMNLP 2019).
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

NUM_LAYERS, HIDDEN, NUM_HEADS = 6, 384, 12
EPSILON = 1e-12
"""What LayerNorm adds to the variance."""

OPSET, IR_VERSION = 17, 8
"""The first opset with LayerNormalization, and the file version that goes with it."""

MASKED = -1e9
"""Added to the attention score of padding."""

Weights = Mapping[str, NDArray[Any]]


def minilm(weights: Weights) -> onnx.ModelProto:
    """The model in float32. `weights`: the arrays of model.safetensors by name.

    Inputs, int64 [batch, sequence], sequence <= 512: input_ids, and attention_mask, 1 for tokens
    and 0 for padding. Output, float32 [batch, 384], rows of unit length: embedding.
    Raises KeyError if a weight is missing.
    """
    build = _Builder(weights)
    mask = build.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = _words(build)
    bias = _attention_bias(build, mask)
    for layer in range(NUM_LAYERS):
        hidden = _layer(build, f"encoder.layer.{layer}", hidden, bias)
    return build.model(_pool(build, hidden, mask))


class _Builder:
    """Nodes and initializers so far; every method returns the name of the value it adds."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator}_{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def floats(self, *values: float) -> str:
        return self.constant(np.array(values, dtype=np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def linear(self, name: str, x: str) -> str:
        kernel = self.constant(self.weights[f"{name}.weight"].T)
        bias = self.constant(self.weights[f"{name}.bias"])
        return self.add("Add", self.add("MatMul", x, kernel), bias)

    def norm(self, name: str, x: str) -> str:
        scale, shift = (
            self.constant(self.weights[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        return self.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)

    def model(self, output: str) -> onnx.ModelProto:
        """The finished model, whose result is the value `output`."""
        self._nodes.append(helper.make_node("Identity", [output], ["embedding"]))
        shape = ["batch", "sequence"]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            for name in ("input_ids", "attention_mask")
        ]
        embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", HIDDEN])
        graph = helper.make_graph(self._nodes, "minilm", inputs, [embedding], self._initializers)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)


def _words(build: _Builder) -> str:
    """Words and their places, [batch, sequence, HIDDEN]."""
    table = build.constant(build.weights["embeddings.word_embeddings.weight"])
    words = build.add("Gather", table, "input_ids", axis=0)
    # Every token is of the first of BERT's two segments, so that its vector belongs to the place.
    places = build.constant(
        build.weights["embeddings.position_embeddings.weight"]
        + build.weights["embeddings.token_type_embeddings.weight"][0]
    )
    length = build.add("Shape", "input_ids", start=1, end=2)
    taken = build.add("Slice", places, build.ints(0), length, build.ints(0))
    return build.norm("embeddings.LayerNorm", build.add("Add", words, taken))


def _attention_bias(build: _Builder, mask: str) -> str:
    """0 where a token may be looked at, MASKED where not, [batch, 1, 1, sequence]."""
    padding = build.add("Sub", build.floats(1.0), mask)
    bias = build.add("Mul", padding, build.floats(MASKED))
    return build.add("Unsqueeze", bias, build.ints(1, 2))


def _layer(build: _Builder, name: str, x: str, bias: str) -> str:
    looked = build.linear(f"{name}.attention.output.dense", _attention(build, name, x, bias))
    x = build.norm(f"{name}.attention.output.LayerNorm", build.add("Add", looked, x))
    inner = _gelu(build, build.linear(f"{name}.intermediate.dense", x))
    outer = build.linear(f"{name}.output.dense", inner)
    return build.norm(f"{name}.output.LayerNorm", build.add("Add", outer, x))


def _attention(build: _Builder, name: str, x: str, bias: str) -> str:
    """Every head's mixture of values, side by side, [batch, sequence, HIDDEN]."""
    query, key, value = (
        _heads(build, build.linear(f"{name}.attention.self.{part}", x), axes)
        for part, axes in (("query", (0, 2, 1, 3)), ("key", (0, 2, 3, 1)), ("value", (0, 2, 1, 3)))
    )
    scale = build.floats(sqrt(HIDDEN // NUM_HEADS))
    scores = build.add("Div", build.add("MatMul", query, key), scale)
    share = build.add("Softmax", build.add("Add", scores, bias), axis=-1)
    mixed = build.add("Transpose", build.add("MatMul", share, value), perm=(0, 2, 1, 3))
    return build.add("Reshape", mixed, build.ints(0, 0, HIDDEN))


def _heads(build: _Builder, x: str, axes: tuple[int, ...]) -> str:
    """`x` as [batch, sequence, head, HIDDEN // NUM_HEADS], in the order `axes`."""
    parts = build.add("Reshape", x, build.ints(0, 0, NUM_HEADS, HIDDEN // NUM_HEADS))
    return build.add("Transpose", parts, perm=axes)


def _gelu(build: _Builder, x: str) -> str:
    """x * Phi(x) in the five nodes that runtimes recognise and fuse."""
    erf = build.add("Erf", build.add("Div", x, build.floats(sqrt(2))))
    twice = build.add("Mul", x, build.add("Add", erf, build.floats(1.0)))
    return build.add("Mul", twice, build.floats(0.5))


def _pool(build: _Builder, x: str, mask: str) -> str:
    """The mean over tokens at unit length; as only its direction counts, the sum will do."""
    row = build.add("Unsqueeze", mask, build.ints(1))
    total = build.add("Squeeze", build.add("MatMul", row, x), build.ints(1))
    return build.add("LpNormalization", total, axis=-1, p=2)
