"""How good and how fast the predictors are; prints `name value unit`, a figure a line.

    python bench/predictors.py           # a few seconds

Development sets are looked for in ../shared/data beside the repository; figures of one that is
not there are left out, with a note on stderr.
"""

import sys
from pathlib import Path
from time import perf_counter

from semsched.predict.length import Evaluation, LengthPredictor, evaluate, read_lengths

DATA = Path(__file__).parents[2] / "shared" / "data"
LENGTH_SETS = {"arena1": "length_arena_hard_01.jsonl", "arena2": "length_arena_hard_2.jsonl"}

PROMPT = "Please explain how a queue of requests is put in order, step by step. " * 7
"""About a hundred words."""


def main() -> None:
    """Print the figures."""
    figures = {}
    for name, file in LENGTH_SETS.items():
        if (DATA / file).is_file():
            figures[name] = evaluate(*read_lengths(DATA / file))
        else:
            print(f"{DATA / file} is not there: no figures of {name}", file=sys.stderr)
    print_length(figures)
    predict, observe = length_ms()
    print(f"length_ms_per_predict {predict:.3f} ms")
    print(f"length_ms_per_observe {observe:.3f} ms")


def print_length(figures: dict[str, Evaluation]) -> None:
    """Figures of each set, and the coverage over the second halves of all of them."""
    for name, figure in figures.items():
        print(f"length_{name}_tau_cold {figure.cold_tau:.3f} tau")
        print(f"length_{name}_tau_online {figure.online_tau:.3f} tau")
        print(f"length_{name}_log_mae_online {figure.online_log_mae:.3f} nats")
        print(f"length_{name}_p90_coverage {figure.p90_coverage:.3f} share")
    rows = sum(figure.num_rows for figure in figures.values())
    if rows:
        covered = sum(figure.p90_coverage * figure.num_rows for figure in figures.values())
        print(f"length_p90_coverage {covered / rows:.3f} share")


def length_ms(num_prompts: int = 500) -> tuple[float, float]:
    """Milliseconds of one prediction and of learning from one answer, 100 words each."""
    predictor = LengthPredictor()
    texts = [f"{i} {PROMPT}" for i in range(num_prompts)]
    began_at = perf_counter()
    for text in texts:
        predictor.observe(text, 300)
    learned_at = perf_counter()
    for text in texts:
        predictor.predict([text])
    predicted_at = perf_counter()
    scale = 1000 / num_prompts
    return (predicted_at - learned_at) * scale, (learned_at - began_at) * scale


if __name__ == "__main__":
    main()
