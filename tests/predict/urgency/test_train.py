import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.predict.urgency.decide import decide
from semsched.predict.urgency.features import read
from semsched.predict.urgency.model_file import UrgencyModelFile, shipped, to_bytes
from semsched.predict.urgency.seeds import Seed, read_seeds
from semsched.predict.urgency.train import (
    Bools,
    best_share,
    held_out,
    train,
    train_head,
    vocabulary,
)
from semsched.predict.urgency.verdict import Floats

COLOURS = ("crimson", "orange", "yellow", "green", "violet")
PLACES = ("door", "roof", "garden", "street", "harbour", "window", "bridge", "market")


def seeds_of(file: str = "made", *, per_reason: int = 2) -> list[Seed]:
    """Texts whose colour is their class; `per_reason` of them share a reason."""
    return [
        Seed(f"the {place} is {colour}", urgency, f"{colour} {at // per_reason}", file)
        for urgency, colour in enumerate(COLOURS)
        for at, place in enumerate(PLACES)
    ]


def test_it_learns_what_the_seeds_say() -> None:
    texts = [f"my boat is {colour}" for colour in COLOURS]
    probabilities = train(seeds_of()).predict(texts)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_training_twice_gives_the_same_bytes() -> None:
    first, second = (to_bytes(UrgencyModelFile(train(seeds_of()))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("urgency", range(5))
def test_a_class_that_no_seed_has_is_named(urgency: int) -> None:
    seeds = [seed for seed in seeds_of() if seed.urgency != urgency]
    with pytest.raises(InputError, match=f"no seed has class {urgency}:"):
        train(seeds)


@pytest.mark.parametrize("module", ["sklearn.linear_model", "scipy.sparse"])
def test_without_scikit_learn_it_says_what_to_install(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'semsched\[train\]'"):
        train(seeds_of())


def test_work_about_a_matter_has_outputs_of_its_own() -> None:
    seeds = [*seeds_of(), *(seed for seed in seeds_of("hard_made") if seed.urgency >= 3)]
    as_work = [
        Seed(f"story: {seed.text}", seed.urgency, seed.why, seed.file) if seed.is_task else seed
        for seed in seeds
    ]
    score = train(as_work).score("story: the boat is green")
    assert score.chances.argmax() == 5
    assert score.probabilities.argmax() == 3


def test_an_output_that_no_seed_has_is_out_of_the_question() -> None:
    model = train(seeds_of())
    chances = model.score("story: the boat is green").chances
    assert chances[5:].max() < chances[:5].max() * np.exp(-10)


def test_a_feature_must_stand_in_two_seeds() -> None:
    texts = ["fire fire", "fire and smoke", "water"]
    index = vocabulary([read(text) for text in texts])
    assert "fire" in index
    assert not {"smok", "water", "fire fire"} & index.keys()
    assert sorted(index.values()) == list(range(len(index)))
    assert index == vocabulary([read(text) for text in reversed(texts)])


def test_seeds_of_one_reason_are_held_out_together() -> None:
    seeds = seeds_of(per_reason=2)
    trainings: list[Bools] = []

    def trained(chosen: Bools) -> Callable[[Sequence[str]], Floats]:
        trainings.append(chosen)
        mine = len(trainings)

        def predict(texts: Sequence[str]) -> Floats:
            left_out = [seed for seed, taken in zip(seeds, chosen, strict=True) if not taken]
            assert list(texts) == [seed.text for seed in left_out]
            return np.full((len(texts), 5), float(mine))

        return predict

    probabilities = held_out(seeds, trained)
    assert probabilities.shape == (len(seeds), 5)
    left_out = ~np.array(trainings)
    assert (left_out.sum(axis=0) == 1).all()
    assert (left_out.sum(axis=1) < len(seeds)).all()
    np.testing.assert_array_equal(probabilities[:, 0], left_out.argmax(axis=0) + 1.0)
    parts: dict[str, set[float]] = {}
    for seed, part in zip(seeds, probabilities[:, 0].tolist(), strict=True):
        parts.setdefault(seed.why, set()).add(part)
    assert all(len(found) == 1 for found in parts.values())
    assert len(set().union(*parts.values())) > 1


def opinions(labels: Sequence[int], right: Sequence[bool]) -> Floats:
    """0.8 for the true class where it is right, for the next one where it is wrong."""
    rows = np.full((len(labels), 5), 0.05)
    for i, (label, is_right) in enumerate(zip(labels, right, strict=True)):
        rows[i, label if is_right else (label + 1) % 5] = 0.8
    return rows


LABELS = [i % 5 for i in range(40)]
GOOD = opinions(LABELS, [True] * 40)
BAD = opinions(LABELS, [False] * 40)


def test_the_better_opinion_gets_all() -> None:
    assert best_share(GOOD, BAD, LABELS) == 0.0
    assert best_share(BAD, GOOD, LABELS) == 1.0


def test_two_opinions_that_are_right_by_turns_share() -> None:
    turns = [i % 2 == 0 for i in range(40)]
    even, odd = opinions(LABELS, turns), opinions(LABELS, [not turn for turn in turns])
    assert best_share(even, odd, LABELS) == pytest.approx(0.5)
    mostly = opinions(LABELS, [i % 4 > 0 for i in range(40)])
    seldom = opinions(LABELS, [i % 4 == 0 for i in range(40)])
    assert 0 < best_share(mostly, seldom, LABELS) < 0.5 < best_share(seldom, mostly, LABELS)


class Knowing:
    """Knows the class of `seeds`, whatever their words; embeds one text at a time."""

    def __init__(self, seeds: Sequence[Seed] = ()) -> None:
        self._classes = {seed.text: seed.urgency for seed in seeds}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        [text] = texts
        return np.eye(6, dtype=np.float32)[[self._classes.get(text, 5)]]


def puzzles() -> list[Seed]:
    """Texts whose words say nothing of their class."""
    words = ["".join(letters) for letters in product("bdfgk", "aeiou", "lmnrt")]
    drawn = np.random.default_rng(0).permutation(np.arange(len(words)) % 5).tolist()
    return [
        Seed(f"{word} {word}zq", drawn[i], f"reason {i}", "made") for i, word in enumerate(words)
    ]


def test_a_head_that_knows_more_gets_most_of_the_say() -> None:
    head = train_head(puzzles(), Knowing(puzzles()))
    assert head.share > 0.7
    assert head.weights.shape == (6, 7)
    probabilities = head.probabilities(np.eye(5, 6, dtype=np.float32))
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_a_head_that_knows_nothing_gets_little_say() -> None:
    assert train_head(seeds_of(per_reason=1), Knowing()).share < 0.3


def test_texts_with_vital_signs_have_no_say_in_the_share() -> None:
    plain = [replace(seed, text=f"{seed.text}, BP 120/80, HR 70") for seed in seeds_of() * 4]
    assert train_head([*puzzles(), *plain], Knowing(puzzles())).share > 0.7


@pytest.fixture(scope="module")
def retrained() -> list[int]:
    """Classes of the held-out texts by a model trained now."""
    return decide(train(read_seeds("train")).predict(HELD_OUT))


HELD_OUT = [seed.text for seed in read_seeds("heldout")]


def test_the_model_that_comes_along_is_trained_on_the_seeds_that_come_along(
    retrained: list[int],
) -> None:
    given = decide(shipped().linear.predict(HELD_OUT))
    assert len(given) > 1_000
    assert np.mean(np.array(given) == retrained) >= 0.99
