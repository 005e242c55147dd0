from pathlib import Path

import numpy as np
import pytest

from semsched.workload import WorkloadError, drawn_from, read_texts
from semsched.workload.texts import prompt_tokens

ROW = '{"text": "my chest hurts", "label": 1, "len": 210}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


def test_rows_are_read(path: Path) -> None:
    path.write_text(ROW + '\n{"text": "", "label": 4, "len": 3, "more": {}}\n', "utf-8")
    texts = read_texts(path)
    assert texts.text == ("my chest hurts", "")
    assert texts.urgency.tolist() == [1, 4]
    assert texts.output_tokens.tolist() == [210, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ('{"text": "x", "label": 1}\n', "no len: rows must be like"),
        (ROW + '{"text": "x", "label": 5, "len": 1}\n', "line 2: label is '5', must be a class"),
        (ROW + '{"text": "x", "label": 1, "len": 0}\n', "line 2: len is '0', must be a whole"),
        (ROW + '{"text": null, "label": 1, "len": 1}\n', "line 2: text is missing, must be a text"),
        (ROW + "nonsense\n", "line 2: not valid JSON"),
    ],
)
def test_a_bad_row_is_named(content: str, message: str, path: Path) -> None:
    path.write_text(content, "utf-8")
    with pytest.raises(WorkloadError) as raised:
        read_texts(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_texts_that_come_along_have_every_class() -> None:
    texts = read_texts("triage")
    assert len(texts.text) > 1000
    assert set(texts.urgency.tolist()) == {0, 1, 2, 3, 4}
    assert len(set(texts.text)) == len(texts.text)


def test_requests_are_rows_of_the_texts() -> None:
    texts = read_texts("triage")
    arrived_at = np.arange(200.0)
    workload = drawn_from(texts, "mine", arrived_at, np.random.default_rng(1))
    assert workload.name == "mine"
    assert workload.arrived_at.tolist() == arrived_at.tolist()
    rows = dict(zip(texts.text, zip(texts.urgency, texts.output_tokens, strict=True), strict=True))
    for i, text in enumerate(workload.text):
        assert (workload.urgency[i], workload.output_tokens[i]) == rows[text]
        assert workload.prompt_tokens[i] == max(len(text.encode()) // 4, 1)
    assert set(workload.max_output_tokens.tolist()) == {int(texts.output_tokens.max())}
    assert len(set(workload.text)) == 200


def test_a_prompt_comes_twice_only_after_all_came_once() -> None:
    texts = read_texts("triage")
    number = len(texts.text)
    drawn = drawn_from(texts, "x", np.arange(2.0 * number), np.random.default_rng(3)).text
    assert len(set(drawn[:number])) == len(set(drawn[number:])) == number


def test_the_same_seed_draws_the_same_requests() -> None:
    texts, arrived_at = read_texts("triage"), np.arange(50.0)
    first, second, other = (
        drawn_from(texts, "x", arrived_at, np.random.default_rng(seed)).text for seed in (1, 1, 2)
    )
    assert first == second != other


def test_tokens_of_a_prompt_are_estimated_by_its_bytes() -> None:
    assert prompt_tokens(("", "abc", "a" * 401, "火" * 4)).tolist() == [1, 1, 100, 3]
