import subprocess
import sys

import numpy as np

from semsched.predict.length.ngrams import NUM_BUCKETS, ngrams
from semsched.predict.length.prompt import read_prompt


def test_hashes_are_those_of_the_format() -> None:
    """Else what was learned before means something else: count FORMAT of state.py up."""
    buckets = [7585, 12277, 15027, 15645, 18302, 22616, 23568, 28032, 28170]
    assert ngrams(read_prompt("Hi \u5b57!").asked).tolist() == buckets
    assert ngrams(read_prompt("").asked).size == 1


def test_ngrams_are_distinct_buckets() -> None:
    buckets = ngrams(read_prompt("the cat and the cat and the cat").asked)
    assert len(set(buckets)) == len(buckets)
    assert (np.diff(buckets) > 0).all()
    assert 0 <= buckets.min() <= buckets.max() < NUM_BUCKETS


def test_the_order_of_words_matters() -> None:
    assert set(ngrams(" dog bites man ")) != set(ngrams(" man bites dog "))


def test_hashes_are_the_same_in_every_process() -> None:
    program = (
        "from semsched.predict.length.prompt import read_prompt\n"
        "from semsched.predict.length.ngrams import ngrams\n"
        "print(ngrams(read_prompt('h\u00e9llo world').asked).tolist())"
    )
    here = str(ngrams(read_prompt("h\u00e9llo world").asked).tolist())
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        )
        assert there.stdout.strip() == here
