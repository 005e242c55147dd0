import logging
from pathlib import Path

import numpy as np
import onnx
import pytest

from semsched.errors import InputError
from semsched.predict.embed import Encoder, export, files

TEXTS = [
    "My chest hurts and my left arm is numb",
    "Someone is unconscious on the floor, what do I do?",
    "Write a poem about autumn leaves",
    "Explain the difference between TCP and UDP",
    "What is the capital of Mongolia?",
    "Translate this sentence into French",
    "I want to end my life tonight",
    "The child swallowed bleach ten minutes ago",
    "Summarise the quarterly report in three bullets",
    "Fix the off-by-one error in my loop",
    "How do I renew my passport?",
    "Plan a week of vegetarian dinners",
    "Flood water is entering the basement of the school",
    "Give me ten names for a coffee shop",
    "I have had a mild cough for two days",
    "Prove that the square root of two is irrational",
    "Refill request for blood pressure tablets",
    "Which stocks should I buy?",
    "The power plant's cooling pump has failed",
    "Tell me a joke",
]


def test_an_export_is_two_files(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "tokenizer.json"}
    assert 22e6 < (folder / "model.onnx").stat().st_size < 24e6


def test_the_weights_are_whole_numbers(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("MatMulInteger") == 6 * 6
    assert operators.count("MatMul") == 6 * 2 + 1  # attention, where both sides are data; pooling


def test_int8_means_what_float_means(encoder: Encoder, float_encoder: Encoder) -> None:
    cosines = np.sum(encoder.encode(TEXTS) * float_encoder.encode(TEXTS), axis=1)
    assert cosines.mean() >= 0.98
    assert cosines.min() >= 0.96


@pytest.mark.parametrize("fault", [OSError("disk full"), ValueError("broken")])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def half(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise fault

    monkeypatch.setattr(export, "quantize", half)
    cached = tmp_path / "cache"
    with pytest.raises(ValueError, match=r"cannot be kept there: disk full|^broken"):
        export.export(cached)
    assert not list(cached.iterdir())


def test_a_folder_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "minilm", lambda _: None)
    monkeypatch.setattr(export, "load", lambda _: None)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/minilm: the model cannot be kept there"):
        export.export(tmp_path / "file" / "minilm")


def test_files_that_are_refused_are_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "TOKENIZER_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"tokenizer\.json: is not the expected file"):
        export.export(tmp_path / "minilm")
    assert not list(tmp_path.iterdir())


def test_the_quantiser_sets_up_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    export.quantize(_product(), tmp_path / "product.onnx")
    assert root.handlers == []


def test_the_quantiser_warns_of_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    export.quantize(_product(), tmp_path / "product.onnx")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert capfd.readouterr() == ("", "")


def _product() -> onnx.ModelProto:
    """A model of one matrix product of data with data, which the quantiser logs that it leaves."""
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 2]) for name in "xy"
    )
    node = onnx.helper.make_node("MatMul", ["x", "x"], ["y"])
    graph = onnx.helper.make_graph([node], "product", [x], [y])
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
