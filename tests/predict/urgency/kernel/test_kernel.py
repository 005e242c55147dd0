"""The kernel against the model: the same scores, whatever the text and the model."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from semsched.predict.urgency import UrgencyClassifier, read_seeds, shipped
from semsched.predict.urgency.evidence import LEAST_WEIGHT, Weighed, weigh
from semsched.predict.urgency.features import CLAIMING, KIN, LEVEL_WORDS, read
from semsched.predict.urgency.kernel import Kernel
from semsched.predict.urgency.kernel.building import build
from semsched.predict.urgency.kernel.compile import CODE
from semsched.predict.urgency.lexicon import QUOTES, SENTENCE_ENDS, SMALL, lexicon
from semsched.predict.urgency.model import FACT, Score
from semsched.predict.urgency.sign_words import SIGN_NAMES
from semsched.predict.urgency.words import MAX_WORDS
from semsched.request import NUM_CLASSES
from tests.predict.urgency.hand_made import model


@cache
def kernel() -> Kernel:
    return Kernel(shipped().linear)


def check_same(ours: Score, theirs: Score) -> None:
    assert ours.words == theirs.words
    assert ours.vitals == theirs.vitals
    assert ours.features.tolist() == theirs.features.tolist()
    assert ours.num_grams == theirs.num_grams
    assert ours.share == theirs.share or not theirs.num_grams
    assert ours.is_foreign == theirs.is_foreign
    np.testing.assert_allclose(ours.chances, theirs.chances, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, rtol=1e-9, atol=1e-12)


def check_weighed(ours: Weighed, theirs: Weighed) -> None:
    assert (ours.names, ours.places) == (theirs.names, theirs.places)
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-9, atol=1e-12)
    sizes = [abs(ours.weights[at]) for at in ours.heavy]
    assert sizes == sorted(sizes, reverse=True)
    light = {at for at, weight in enumerate(ours.weights) if abs(weight) < LEAST_WEIGHT}
    assert sorted({*ours.heavy, *light}) == list(range(len(ours.weights)))
    if len(set(np.round(sizes, 9))) == len(sizes):  # else rounding may turn two of them
        assert ours.heavy == theirs.heavy


def check(text: str) -> None:
    ours, theirs = kernel().score(text), shipped().linear.score(text)
    check_same(ours, theirs)
    for urgency in range(NUM_CLASSES):
        check_weighed(kernel().weigh(ours, urgency), weigh(shipped().linear, theirs, urgency))


def test_every_seed_of_ours() -> None:
    for seed in (*read_seeds("train")[::5], *read_seeds("heldout")):
        check(seed.text)


@given(st.text(st.characters()))  # half surrogate pairs included
@example("")
@example("priority level number is: 0 fire")  # one word too far for a level
@example("\ufdfa not breathing")  # one character that unfolds to several words
@example("\u00b4\u00bd \u00b2\u2460 1\u00b75 BP 8\u0660/\u0664")
def test_any_text(text: str) -> None:
    check(text)


PIECES = (
    *CLAIMING, *KIN, *LEVEL_WORDS, *SENTENCE_ENDS, *SMALL, *SIGN_NAMES, *QUOTES, *QUOTES.values(),
    *(entry.phrase for start in lexicon().values() for entry in start.alone),
    *(" ".join(words) for start in lexicon().values() for longer in start.longer.values()
      for words, _ in longer),
    "in 1978", "1912", "0", "1", "2", "4", "78/40", "38.9 c", "P1", "right now:", "911:", "top",
    "not", "no", ",", ",", "or", "?", "zorblax", "NOT", "Fire", "chest", "e3v4m5", "avpu pain",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
@settings(max_examples=300)
def test_anything_made_of_what_the_lexicon_knows(text: str) -> None:
    check(text)


def test_long_texts_of_what_the_lexicon_knows() -> None:
    dice = np.random.default_rng(1)
    for num_words in dice.integers(2 * MAX_WORDS, size=200):
        check(" ".join(dice.choice(PIECES, num_words)))


@pytest.mark.parametrize("mark", ["a", "1", '"', "\n", "no ", "my son ", "asap ", "BP 8", "\u706b"])
def test_huge_texts_of_one_thing(mark: str) -> None:
    check(mark * 100_000)


MODELS = {
    "knows nothing": model({}, {}),
    "knows one word in three": model({"zorb": {0: 1.0}}, {}),
    "knows no numbers": model({"fire": {0: 1.0}, "fire smok": {1: 1.0}}, {0: 0.5}),
    "knows marked words only": model(
        {"-fire": {0: 1.0}, "~#": {1: 1.0}, "'fire -smok": {3: 2.0}, "^ -fire": {4: 1.0}}, {}
    ),
    "knows question marks": model({"?": {0: 1.0}, "fire ?": {1: 1.0}, "-?": {2: 1.0}}, {}),
    "knows facts only": model({f"{FACT}=fire": {0: 1.0}, f"{FACT}size 2": {1: 1.0}}, {}),
    "knows names that are none": model(
        {"": {0: 1.0}, " ": {1: 1.0}, "a  b": {1: 1.0}, "-": {2: 1.0}, "fire ": {3: 1.0}}, {}
    ),
}
TEXTS = (
    "", "zorb ab cd 12", "zorb ab cd ef", "fire", "fire smoke?", "no fire, no smoke",
    "1978 and 12, no 7", "had 3 in 1978", "fire?",
    "'no fire' smoke '12'", "denies fire ?", "fire fire fire", "- fire -", "is the house on fire?",
)  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_other_models(name: str) -> None:
    other = Kernel(MODELS[name])
    for text in TEXTS:
        check_same(other.score(text), MODELS[name].score(text))


def test_a_model_of_whatever_stands_in_the_texts() -> None:
    readings = list(map(read, TEXTS))
    names = {name for reading in readings for name in reading.grams}
    names |= {FACT + name for reading in readings for name in reading.facts}
    rng = np.random.default_rng(0)
    every = model({name: {0: float(rng.normal())} for name in sorted(names)}, {})
    other = Kernel(every)
    for text in TEXTS:
        check_same(other.score(text), every.score(text))


def test_equals_among_many_keep_their_order() -> None:
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
    flat = model({word: {0: float(1 + i % 3)} for i, word in enumerate(words)}, {})
    score = flat.score(" ".join(words))
    ours, theirs = Kernel(flat).weigh(score, 0), weigh(flat, score, 0)
    assert len(ours.heavy) > 150
    assert ours.heavy == theirs.heavy


def test_threads_do_not_read_each_others_texts() -> None:
    texts = [seed.text for seed in read_seeds("heldout")[:200]] * 3
    alone = [kernel().score(text).chances.tolist() for text in texts]
    with ThreadPoolExecutor(4) as threads:
        together = [score.chances.tolist() for score in threads.map(kernel().score, texts)]
    assert together == alone


def test_a_compiled_classifier_says_the_same() -> None:
    plain, compiled = UrgencyClassifier(), UrgencyClassifier().compiled()
    assert compiled.kernel is not None
    texts = [seed.text for seed in read_seeds("heldout")[::7]]
    np.testing.assert_allclose(compiled.predict(texts), plain.predict(texts), atol=1e-9)
    for text in texts:
        ours, theirs = (each.classify(text, explain=True) for each in (compiled, plain))
        assert (ours.urgency, ours.reason) == (theirs.urgency, theirs.reason)
        assert [item[:4] for item in ours.evidence] == [item[:4] for item in theirs.evidence]


def test_where_machine_code_finds_no_place_it_is_not_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CODE, "can_be_kept", False)
    classifier = UrgencyClassifier()
    assert classifier.compiled() is classifier
    [record] = caplog.records
    assert "no place for machine code" in record.getMessage()


def test_compiling_is_announced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Kernel(MODELS["knows nothing"])
    assert not caplog.records
    monkeypatch.setattr(CODE, "is_cached", lambda: False)
    Kernel(MODELS["knows nothing"])
    [record] = caplog.records
    assert "half a minute, once" in record.getMessage()


def test_tables_hold_every_pair_of_the_model() -> None:
    linear = shipped().linear
    _, tables = build(linear)
    pairs = [row for name, row in linear.index.items() if name[0] != FACT and " " in name]
    assert sorted(tables.pair_rows.tolist()) == sorted(pairs)
