"""The urgency classifier: from text to probabilities, a class, and the words it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from semsched.predict.urgency.decide import COSTS, Costs, decide_one, is_unsure
from semsched.predict.urgency.embedded import SecondLook, mix
from semsched.predict.urgency.evidence import shown, weigh, words_for
from semsched.predict.urgency.features import Reading, read
from semsched.predict.urgency.model import LinearModel, Score
from semsched.predict.urgency.model_file import shipped
from semsched.predict.urgency.verdict import Floats, Verdict
from semsched.request import NUM_CLASSES


@dataclass(frozen=True, eq=False)
class UrgencyClassifier:
    """Text to urgency, by the model that comes along unless another is given.

    Looks at both ends of a text (`words.py` says how far), never raises for a str, and takes less
    than 5 ms whatever it holds; `second` adds up to its deadline. Safe to share between threads.
    """

    model: LinearModel = field(default_factory=lambda: shipped().linear)
    second: SecondLook | None = None
    costs: Costs = COSTS

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities of the classes 0..4, shape [len(texts), 5]."""
        rows = [
            self._probabilities(reading, self.model.score(reading)) for reading in map(read, texts)
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, NUM_CLASSES)

    def classify(self, text: str, *, explain: bool = False) -> Verdict:
        """The class of `text` and why; with `explain` also the evidence, weightiest first."""
        reading = read(text)
        score = self.model.score(reading)
        probabilities = tuple(self._probabilities(reading, score).tolist())
        urgency = decide_one(probabilities, self.costs)
        weighed = weigh(self.model, reading, score, urgency)
        if is_unsure(probabilities):
            reason = "nothing in the text says how urgent it is"
        else:
            reason = words_for(reading, weighed) or "no single word decides"
        evidence = shown(reading, weighed) if explain else ()
        return Verdict(urgency, reason, probabilities, evidence)

    def _probabilities(self, reading: Reading, score: Score) -> Floats:
        """An embedding cannot read numbers: where vital signs are stated it is not asked."""
        first = score.probabilities
        if self.second is None or reading.has_vitals:
            return first
        look = self.second.look(reading.words.text)
        return first if look is None else mix(first, look, self.second.head.share)
