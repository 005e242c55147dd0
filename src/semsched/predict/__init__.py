"""What is believed of a request before it runs: predictions, their errors and their time."""

from semsched.predict.delay import PredictorServer, delayed, paper_batch_time
from semsched.predict.error import mistaken_lengths, mistaken_urgency, rounded_lengths
from semsched.predict.real import predicted_from_text

__all__ = [
    "PredictorServer",
    "delayed",
    "mistaken_lengths",
    "mistaken_urgency",
    "paper_batch_time",
    "predicted_from_text",
    "rounded_lengths",
]
