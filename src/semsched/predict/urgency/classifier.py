"""The urgency classifier: from text to probabilities, a class, and the words it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from semsched.predict.urgency.decide import COSTS, Costs, cheapest, is_unsure
from semsched.predict.urgency.embedded import SecondLook, mix
from semsched.predict.urgency.evidence import Weighed, shown, weigh, words_for
from semsched.predict.urgency.features import has_several
from semsched.predict.urgency.model import LinearModel, Score
from semsched.predict.urgency.model_file import shipped
from semsched.predict.urgency.verdict import UNSURE, Floats, Verdict
from semsched.request import NUM_CLASSES


class Reader(Protocol):
    """What does the work of a model, faster."""

    def score(self, text: str) -> Score:
        """`LinearModel.score`."""
        ...

    def weigh(self, score: Score, urgency: int) -> Weighed:
        """`evidence.weigh`."""
        ...


@dataclass(frozen=True, eq=False)
class UrgencyClassifier:
    """Text to urgency, by the model that comes along unless another is given.

    Looks at both ends of a text (`words.py` says how far), never raises for a str, and takes less
    than 5 ms whatever it holds; `second` adds up to its deadline. Safe to share between threads.
    """

    model: LinearModel = field(default_factory=lambda: shipped().linear)
    second: SecondLook | None = None
    costs: Costs = COSTS
    kernel: Reader | None = None
    """Reads texts in place of the model."""

    def compiled(self) -> Self:
        """The same, in a third of the time for each text: for whoever reads many.

        Takes half a second; and half a minute once, which it announces. Where the result of that
        cannot be kept, it warns and stays as it is.
        """
        from semsched.predict.urgency.kernel import Kernel  # numba is too large for one text

        if not Kernel.can_be_kept():
            return self
        return replace(self, kernel=Kernel(self.model))

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities of the classes 0..4, shape [len(texts), 5]."""
        rows = [self._probabilities(self._score(text)) for text in texts]
        return np.array(rows, dtype=np.float64).reshape(-1, NUM_CLASSES)

    def classify(self, text: str, *, explain: bool = False) -> Verdict:
        """The class of `text` and why; with `explain` also the evidence, weightiest first."""
        score = self._score(text)
        probabilities = tuple(self._probabilities(score).tolist())
        unsure = is_unsure(probabilities)
        urgency = UNSURE if unsure else cheapest(probabilities, self.costs)
        weighed = self._weighed(score, urgency)
        if unsure:
            reason = "nothing in the text says how urgent it is"
        else:
            reason = words_for(weighed) or "no single word decides"
        evidence = shown(weighed) if explain else ()
        return Verdict(urgency, reason, probabilities, evidence)

    def _weighed(self, score: Score, urgency: int) -> Weighed:
        if self.kernel is None:
            return weigh(self.model, score, urgency)
        return self.kernel.weigh(score, urgency)

    def _score(self, text: str) -> Score:
        return (self.kernel or self.model).score(text)

    def _probabilities(self, score: Score) -> Floats:
        """An embedding cannot read numbers: where vital signs are stated it is not asked."""
        first = score.probabilities
        if self.second is None or has_several(score.vitals):
            return first
        look = self.second.look(score.words.text)
        return first if look is None else mix(first, look, self.second.head.share)
