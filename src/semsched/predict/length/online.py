"""The length predictor: the prior, corrected by what each model's own answers turned out to be."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from semsched.errors import InputError
from semsched.predict.length.features import LEXICAL, Vector, read_signs
from semsched.predict.length.lengths import LONGEST, Caps, Lengths, caps, in_bounds
from semsched.predict.length.ngrams import NUM_BUCKETS, Indices, ngrams
from semsched.predict.length.prior import Guess, guess
from semsched.predict.length.prompt import read_prompt

NUM_DENSE = 1 + len(LEXICAL)
_DENSE = np.arange(NUM_DENSE)
NUM_WEIGHTS = NUM_DENSE + NUM_BUCKETS

HALF_TRUST = 60
"""Answers after which the correction counts for half."""

NUM_REPLAYS, MAX_RECENT = 5, 2_000
"""Earlier answers that are learned from again with each new one, and how many are kept for it."""

HUBER = 0.5
"""Error of log length up to which the loss is quadratic: no single answer pulls harder."""

DECAY = np.repeat([0.0, 0.02], [1, len(LEXICAL) + NUM_BUCKETS])
"""Pull of each weight that is used towards zero; the bias has none."""

OFFSET_RATE = 0.05
"""Step of the P90 offset per answer; misses raise it 9 times as far as hits lower it."""

MAX_OFFSET = 2.0
"""Where the offset stops, so that a long run of hits is soon undone."""

_LOG_LONGEST = log(LONGEST)

MISSES = 0.1
"""Share of answers that may be longer than P90."""

RATES = np.repeat([0.3, 0.01, 0.1], [1, len(LEXICAL), NUM_BUCKETS])
"""AdaGrad steps: of the bias, of the named numbers, of the n-grams."""


class Encoded(NamedTuple):
    """A prompt as the learner sees it: its prior and a sparse vector of features."""

    prior: Guess
    indices: Indices
    values: Vector

    @property
    def dense(self) -> Vector:
        """The bias and the named numbers."""
        return self.values[:NUM_DENSE]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: what was asked, the natural logarithm of its output tokens, and whether
    a limit cut it (then its own length is longer, nobody knows by how much)."""

    encoded: Encoded
    log_length: float
    truncated: bool


def encode(text: str, hashed: Callable[[str], Indices] = ngrams) -> Encoded:
    """The features of `text`; n-grams weigh as much together whatever their number.

    `hashed` is `ngrams`, or gives the same.
    """
    prompt = read_prompt(text)
    signs, buckets = read_signs(prompt), hashed(prompt.asked)
    values = np.empty(NUM_DENSE + len(buckets))
    values[0], values[1:NUM_DENSE] = 1.0, signs.numbers
    values[NUM_DENSE:] = 1 / sqrt(len(buckets))
    indices = np.empty(NUM_DENSE + len(buckets), dtype=np.intp)
    indices[:NUM_DENSE], indices[NUM_DENSE:] = _DENSE, buckets
    indices[NUM_DENSE:] += NUM_DENSE
    return Encoded(guess(signs), indices, values)


@dataclass
class Weights:
    """A linear model trained by AdaGrad (Duchi et al., JMLR 2011): values and squared gradients."""

    values: Vector
    squares: Vector

    @classmethod
    def zeros(cls, size: int) -> "Weights":
        """A model that says 0."""
        return cls(np.zeros(size), np.full(size, 1e-8))

    def step(self, indices: Indices | slice, slope: Vector) -> None:
        """One step down the gradient `slope` at `indices`."""
        slope = slope + DECAY[indices] * self.values[indices]
        self.squares[indices] += slope * slope
        self.values[indices] -= RATES[indices] * slope / np.sqrt(self.squares[indices])


@dataclass
class Learner:
    """What one model's answers have taught.

    `middle` corrects log P50 (Huber loss), `spread` the distance from there to log P90 (pinball
    loss at 0.9), `offset` follows whatever miscoverage is left (Gibbs and Candes, "Adaptive
    conformal inference under distribution shift", 2021). The answers kept for replay are not
    part of the saved state.
    """

    middle: Weights = field(default_factory=lambda: Weights.zeros(NUM_WEIGHTS))
    spread: Weights = field(default_factory=lambda: Weights.zeros(NUM_DENSE))
    offset: float = 0.0
    num_answers: int = 0
    recent: deque[Answer] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))

    def logs(self, encoded: Encoded) -> tuple[float, float]:
        """Natural logarithms of P50 and P90, blended with the prior by evidence."""
        correction = self.middle.values[encoded.indices].dot(encoded.values)
        wider = self.spread.values.dot(encoded.dense)
        return self.blended(encoded.prior, float(correction), float(wider))

    def blended(self, prior: Guess, correction: float, wider: float) -> tuple[float, float]:
        """The same from what `middle` and `spread` say."""
        trust = self.num_answers / (self.num_answers + HALF_TRUST)
        log_p50 = min(max(prior.log_p50 + trust * correction, 0.0), _LOG_LONGEST)
        spread = prior.spread + trust * wider + self.offset
        return log_p50, min(log_p50 + max(spread, 0.0), _LOG_LONGEST)

    def learn(self, answer: Answer) -> None:
        """Learn from a new answer, and again from a few old ones."""
        self._learn_spread(answer)
        self._learn_middle(answer)
        for old in self._replayed():
            self._learn_middle(old)
        self.recent.append(answer)
        self.num_answers += 1

    def _learn_middle(self, answer: Answer) -> None:
        encoded = answer.encoded
        correction = self.middle.values[encoded.indices] @ encoded.values
        error = float(encoded.prior.log_p50 + correction - answer.log_length)
        if not (answer.truncated and error >= 0):
            slope = min(max(error, -HUBER), HUBER)
            self.middle.step(encoded.indices, slope * encoded.values)

    def _learn_spread(self, answer: Answer) -> None:
        missed = answer.log_length > self.logs(answer.encoded)[1]
        if answer.truncated and not missed:
            return
        push = MISSES - missed
        self.offset = min(max(self.offset - OFFSET_RATE * push, -MAX_OFFSET), MAX_OFFSET)
        self.spread.step(slice(0, NUM_DENSE), push * answer.encoded.dense)

    def _replayed(self) -> list[Answer]:
        """Old answers, drawn alike in every process that has seen the same ones."""
        if not self.recent:
            return []
        drawn = np.random.default_rng(self.num_answers).integers(len(self.recent), size=NUM_REPLAYS)
        return [self.recent[i] for i in drawn]


class LengthPredictor:
    """Text to P50 and P90 of output tokens, learning online, a learner for each model name.

    Deterministic: the same answers in the same order give the same predictions. Not locked; one
    thread at a time.
    """

    def __init__(self) -> None:
        self.learners: dict[str, Learner] = {}
        self._untaught = Learner()
        self._ngrams: Callable[[str], Indices] = ngrams
        self._logs: Callable[[Learner, str], tuple[float, float]] = _logs

    def compile(self) -> None:
        """From here on predict by machine code: the same up to rounding, several times as fast.

        Takes 4 s the first time; 0.7 s and 120 MB, mostly numba itself, once what it compiled lies
        on the disk: worth it for who predicts ten thousand lengths. Where there is no place for
        that nothing changes.
        """
        from semsched.predict.length.compiled import CODE, Compiled  # it imports numba

        if CODE.can_be_kept and self._logs is _logs:
            code = Compiled()
            self._ngrams, self._logs = code.ngrams, code.logs

    def predict(
        self, texts: Sequence[str], max_output_tokens: Caps = None, model: str = ""
    ) -> Lengths:
        """P50 and P90 (tokens, shape [len(texts)] each) of the answers `model` would give."""
        limits = caps(max_output_tokens, len(texts)).tolist()
        pairs = [self.believe(text, cap, model) for text, cap in zip(texts, limits, strict=True)]
        return Lengths(*np.array(pairs, dtype=np.float64).reshape(-1, 2).T)

    def believe(self, text: str, cap: float, model: str = "") -> tuple[float, float]:
        """P50 and P90 of one answer that has at most `cap` (>= 1, or inf) tokens."""
        log_p50, log_p90 = self._logs(self.learners.get(model, self._untaught), text)
        return in_bounds(exp(log_p50), exp(log_p90), cap)

    def observe(
        self, text: str, output_tokens: int, model: str = "", *, truncated: bool = False
    ) -> None:
        """Learn that `model` answered `text` with `output_tokens` tokens (>= 1).

        `truncated` says that a limit cut the answer. Raises InputError for fewer than 1 token:
        a request that failed has no length.
        """
        if output_tokens < 1:
            raise InputError(f"output_tokens is {output_tokens}, must be 1 or more")
        if model not in self.learners:
            self.learners[model] = Learner()
        encoded = encode(text, self._ngrams)
        self.learners[model].learn(Answer(encoded, log(output_tokens), truncated))


def _logs(learner: Learner, text: str) -> tuple[float, float]:
    return learner.logs(encode(text))
