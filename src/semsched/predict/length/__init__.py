"""How long an answer will run: text to P50 and P90 of output tokens, learning from each answer."""

from semsched.predict.length.evaluate import (
    Evaluation,
    evaluate,
    kendall_tau,
    read_lengths,
)
from semsched.predict.length.lengths import Lengths, remaining
from semsched.predict.length.online import LengthPredictor
from semsched.predict.length.prior import prior_lengths
from semsched.predict.length.state import load, save

__all__ = [
    "Evaluation",
    "LengthPredictor",
    "Lengths",
    "evaluate",
    "kendall_tau",
    "load",
    "prior_lengths",
    "read_lengths",
    "remaining",
    "save",
]
