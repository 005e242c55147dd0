"""How urgent a text is: 0 (someone may be hurt) to 4 (nobody waits), and why."""

from semsched.predict.urgency.classifier import UrgencyClassifier
from semsched.predict.urgency.decide import COSTS, Costs, decide, read_costs
from semsched.predict.urgency.embedded import Head, SecondLook
from semsched.predict.urgency.evaluate import Evaluation, evaluate, read_labels
from semsched.predict.urgency.model import LinearModel
from semsched.predict.urgency.model_file import UrgencyModelFile, load_model, shipped, to_bytes
from semsched.predict.urgency.rules import Asked, Rule, read_rules
from semsched.predict.urgency.seeds import Seed, read_seeds
from semsched.predict.urgency.triage import triage
from semsched.predict.urgency.verdict import UNSURE, Evidence, Verdict

__all__ = [
    "COSTS",
    "UNSURE",
    "Asked",
    "Costs",
    "Evaluation",
    "Evidence",
    "Head",
    "LinearModel",
    "Rule",
    "SecondLook",
    "Seed",
    "UrgencyClassifier",
    "UrgencyModelFile",
    "Verdict",
    "decide",
    "evaluate",
    "load_model",
    "read_costs",
    "read_labels",
    "read_rules",
    "read_seeds",
    "shipped",
    "to_bytes",
    "triage",
]
