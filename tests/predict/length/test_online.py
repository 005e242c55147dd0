import numpy as np
import pytest

from semsched.errors import InputError
from semsched.predict.length.evaluate import kendall_tau
from semsched.predict.length.lengths import LONGEST
from semsched.predict.length.online import MAX_OFFSET, LengthPredictor
from semsched.predict.length.prior import prior_lengths

TOPICS = {"tides": 40, "taxes": 150, "trains": 600, "tulips": 2500}


def answers(num: int, seed: int = 0) -> list[tuple[str, int]]:
    """Prompts whose topic, which the prior knows nothing of, decides the length."""
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(TOPICS), size=num)
    noise = rng.lognormal(0, 0.4, size=num)
    return [
        (f"Please tell me number {i} about {topic}", max(round(TOPICS[topic] * factor), 1))
        for i, (topic, factor) in enumerate(zip(topics, noise, strict=True))
    ]


def taught(rows: list[tuple[str, int]], model: str = "") -> LengthPredictor:
    predictor = LengthPredictor()
    for text, output_tokens in rows:
        predictor.observe(text, output_tokens, model)
    return predictor


def test_before_any_answer_it_is_the_prior() -> None:
    texts = ["Write an essay", "yes or no?", ""]
    believed, prior = LengthPredictor().predict(texts), prior_lengths(texts)
    np.testing.assert_allclose(believed, prior)


def test_it_learns_what_the_prior_cannot_know() -> None:
    predictor = taught(answers(400))
    believed = predictor.predict([f"Please tell me about {topic}" for topic in TOPICS])
    truth = np.array(list(TOPICS.values()))
    assert (np.diff(believed.p50) > 0).all()
    assert np.abs(np.log(believed.p50 / truth)).mean() < 0.5


def test_p90_covers_nine_in_ten() -> None:
    predictor, covered = LengthPredictor(), []
    for text, output_tokens in answers(800):
        covered.append(output_tokens <= predictor.predict([text]).p90[0])
        predictor.observe(text, output_tokens)
    assert np.mean(covered[400:]) == pytest.approx(0.9, abs=0.03)


def test_p90_follows_a_change_of_the_answers() -> None:
    predictor, covered = taught(answers(300)), []
    for text, output_tokens in answers(300, seed=1):
        covered.append(5 * output_tokens <= predictor.predict([text]).p90[0])
        predictor.observe(text, 5 * output_tokens)
    assert np.mean(covered[150:]) == pytest.approx(0.9, abs=0.05)


def test_a_hundred_answers_of_noise_leave_the_prior_nearly_as_it_was() -> None:
    rng = np.random.default_rng(3)
    wanted = np.exp(rng.uniform(np.log(20), np.log(2000), size=200)).round()
    texts = [f"Tell us of subject {i} in {number:.0f} words" for i, number in enumerate(wanted)]
    prior = prior_lengths(texts).p50
    noisy = np.maximum(prior * rng.lognormal(0, 1, size=200), 1)
    predictor, met = LengthPredictor(), []
    for text, output_tokens in zip(texts[:100], noisy, strict=False):
        met.append(predictor.predict([text]).p50[0])
        predictor.observe(text, round(output_tokens))
    assert kendall_tau(met, noisy[:100]) > kendall_tau(prior[:100], noisy[:100]) - 0.03
    drift = np.abs(np.log(predictor.predict(texts[100:]).p50 / prior[100:]))
    assert drift.mean() < 0.35


def test_each_model_has_its_own_learner() -> None:
    text = "Please tell me about tides"
    predictor = taught([(text, 5)] * 100, model="terse")
    untaught = prior_lengths([text]).p50
    assert predictor.predict([text], model="terse").p50 < untaught / 4
    assert predictor.predict([text], model="other").p50 == untaught
    assert set(predictor.learners) == {"terse"}


def test_the_same_answers_give_the_same_predictions() -> None:
    texts = [text for text, _ in answers(50, seed=7)]
    first, second = taught(answers(60)).predict(texts), taught(answers(60)).predict(texts)
    np.testing.assert_array_equal(first, second)


def test_asking_changes_nothing() -> None:
    asked, left_alone = taught(answers(20)), taught(answers(20))
    for _ in range(5):
        asked.predict(["Please tell me about tides"])
    for predictor in (asked, left_alone):
        predictor.observe("Please tell me about tides", 44)
    np.testing.assert_array_equal(asked.predict(["tides"]), left_alone.predict(["tides"]))


def test_a_cut_answer_only_says_that_it_would_have_been_longer() -> None:
    text, cut, whole = "Please tell me about tides", LengthPredictor(), LengthPredictor()
    for _ in range(50):
        cut.observe(text, 5, truncated=True)
        whole.observe(text, 5)
    assert cut.predict([text]).p50 == pytest.approx(prior_lengths([text]).p50)
    assert whole.predict([text]).p50 < 100
    assert cut.predict([text]).p90 == pytest.approx(prior_lengths([text]).p90)
    for _ in range(50):
        cut.observe(text, 20_000, truncated=True)
    assert cut.predict([text]).p50 > 2 * prior_lengths([text]).p50


@pytest.mark.parametrize("output_tokens", [1, 10**9])
def test_absurd_answers_leave_sound_predictions(output_tokens: int) -> None:
    predictor = taught([("say it", output_tokens)] * 300)
    believed = predictor.predict(["say it", "Write an essay"])
    assert (believed.p50 >= 1).all()
    assert (believed.p90 >= believed.p50).all()
    assert (believed.p90 <= LONGEST).all()
    assert abs(predictor.learners[""].offset) <= MAX_OFFSET


def test_an_answer_without_tokens_is_refused() -> None:
    predictor = LengthPredictor()
    with pytest.raises(InputError, match="output_tokens is 0"):
        predictor.observe("x", 0)
    assert not predictor.learners


def test_caps_hold_after_learning() -> None:
    believed = taught(answers(50)).predict(["about tulips"] * 2, [30, None])
    assert believed.p90[0] == 30
    assert believed.p90[1] > 30
