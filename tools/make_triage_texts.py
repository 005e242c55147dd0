"""Write `triage.jsonl`, the prompts that come along for the simulator: text, label and len.

Usage: python tools/make_triage_texts.py [FILE]; without FILE it writes the one that ships.
The texts are the seeds that the urgency model is never trained on. Their answers were never
given: `len` is the prior's P50 times a log-normal error, so wide that the order of the lengths is
told about as well (Kendall's tau 0.3) as it is for real answers of real models.
"""

import json
import random
import sys
from pathlib import Path

from semsched.predict.length import prior_lengths
from semsched.predict.urgency import read_seeds

SEED = 112
SIGMA = 0.4
LONGEST = 1024
SHIPPED = Path(__file__).parents[1] / "src/semsched/workload/traces/triage.jsonl"


def main(path: Path) -> None:
    """Write the prompts to `path`."""
    rng, seeds = random.Random(SEED), read_seeds("heldout")
    p50 = prior_lengths([seed.text for seed in seeds]).p50
    with path.open("w", encoding="utf-8") as file:
        for seed, median in zip(seeds, p50.tolist(), strict=True):
            tokens = min(max(round(median * rng.lognormvariate(0, SIGMA)), 1), LONGEST)
            row = {"text": seed.text, "label": seed.urgency, "len": tokens}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
