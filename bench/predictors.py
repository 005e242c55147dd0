"""How good and how fast the predictors are; prints `name value unit`, a figure a line.

    python bench/predictors.py           # about half a minute

Development sets are looked for in ../shared/data beside the repository; figures of one that is
not there are left out, with a note on stderr.
"""

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter, thread_time

import numpy as np

from semsched.errors import InputError
from semsched.predict import length, urgency

DATA = Path(__file__).parents[2] / "shared" / "data"
LENGTH_SETS = {"arena1": "length_arena_hard_01.jsonl", "arena2": "length_arena_hard_2.jsonl"}
TRIAGE_SETS = {
    "bioagents": "urgency_bioagents_esi.jsonl",
    "disaster": "urgency_disaster_messages.jsonl",
}

PROMPT = "Please explain how a queue of requests is put in order, step by step. " * 7
"""About a hundred words."""

NUM_TIMED = 300
"""Texts that are timed."""


def main() -> None:
    """Print the figures."""
    print_urgency("", urgency.UrgencyClassifier())
    print_times(urgency.UrgencyClassifier().compiled())
    print_uncompiled(urgency.UrgencyClassifier())
    try:
        second = urgency.SecondLook.with_minilm(urgency.shipped().head, deadline=60.0)
    except InputError as error:
        print(f"no figures with the sentence embedding: {error}", file=sys.stderr)
    else:
        embedded = urgency.UrgencyClassifier(second=second)
        print_urgency("_embed", embedded)
        print_figure("urgency_embed_ms_100_words", embed_ms(embedded), "ms")
    print_lengths()


def print_urgency(suffix: str, classifier: urgency.UrgencyClassifier) -> None:
    """Figures on the held-out seeds and the development sets."""
    seeds = urgency.read_seeds("heldout")
    hard = [seed for seed in seeds if seed.is_hard]
    for name, chosen in heldout_sets(seeds).items():
        labels = [seed.urgency for seed in chosen]
        print_triage(name + suffix, classifier, [seed.text for seed in chosen], labels)
    for name, file in TRIAGE_SETS.items():
        if found := development_set(file):
            print_triage(name + suffix, classifier, *urgency.read_labels(found))
    print_false_alarms(f"hard_negatives{suffix}", classifier, [seed.text for seed in hard])
    files = [found for file in LENGTH_SETS.values() if (found := development_set(file))]
    texts = [text for file in files for text in length.read_lengths(file)[0]]
    if texts:
        print_false_alarms(f"arena{suffix}", classifier, texts)


def heldout_sets(seeds: Sequence[urgency.Seed]) -> dict[str, list[urgency.Seed]]:
    """The held-out seeds by name: without the hard ones, all of them, and each file."""
    sets = {"heldout": [seed for seed in seeds if not seed.is_hard], "heldout_and_hard": [*seeds]}
    for seed in seeds:
        sets.setdefault(f"heldout_{seed.file}", []).append(seed)
    return sets


def print_triage(
    name: str, classifier: urgency.UrgencyClassifier, texts: Sequence[str], labels: Sequence[int]
) -> None:
    """Kappa, severe under-triage and over-triage with their intervals, accuracy, calibration."""
    figures = urgency.evaluate(classifier.predict(texts), labels)
    for what, unit, figure, (low, high) in (
        ("qwk", "kappa", figures.qwk, figures.qwk_interval),
        ("severe", "share", figures.severe_under_triage, figures.severe_under_triage_interval),
        ("over", "share", figures.over_triage, figures.over_triage_interval),
    ):
        print_figure(f"urgency_{name}_{what}", figure, f"{unit} ({low:.3f}..{high:.3f})")
    print_figure(f"urgency_{name}_accuracy", figures.accuracy, "share")
    print_figure(f"urgency_{name}_macro_f1", figures.macro_f1, "share")
    print_figure(f"urgency_{name}_calibration_error", figures.calibration_error, "share")


def print_false_alarms(
    name: str, classifier: urgency.UrgencyClassifier, texts: Sequence[str]
) -> None:
    """Share of texts that are nobody's emergency and are given class 0 or 1."""
    given = np.array(urgency.decide(classifier.predict(texts)))
    print_figure(f"urgency_false_alarm_{name}", float(np.mean(given <= 1)), "share")


def print_times(classifier: urgency.UrgencyClassifier) -> None:
    """CPU time of a prediction, as the gateway reads texts, and of the worst of strange ones."""
    for words in (25, 100):
        times = cpu_ms(classifier.predict, cut_texts(words))
        print_figure(f"urgency_ms_{words}_words", fmean(times), "ms")
    times = cpu_ms(classifier.predict, cut_texts(500))
    print_figure("urgency_ms_p99_500_words", float(np.quantile(times, 0.99)), "ms")
    strange = [
        mark * 1_000_000 for mark in ("a", "'", "1/", "\n", "no ", "\u0301", "火", '"', "BP 8")
    ]
    worst = max(cpu_ms(classifier.predict, strange))
    print_figure("urgency_ms_worst_strange_text", worst, "ms")


def print_uncompiled(classifier: urgency.UrgencyClassifier) -> None:
    """The same of who reads a few texts only, as `semsched predict` does."""
    times = cpu_ms(classifier.predict, cut_texts(100))
    print_figure("urgency_uncompiled_ms_100_words", fmean(times), "ms")


def embed_ms(classifier: urgency.UrgencyClassifier, num_texts: int = 100) -> float:
    """Milliseconds (wall) of a prediction of 100 words, each met for the first time."""
    texts = [f"{i} {text}" for i, text in enumerate(cut_texts(100)[:num_texts])]
    began_at = perf_counter()
    classifier.predict(texts)
    return (perf_counter() - began_at) * 1e3 / num_texts


def cpu_ms(predict: Callable[[Sequence[str]], object], texts: Sequence[str]) -> list[float]:
    """Milliseconds of CPU for each of `texts`, all of which have been met once before."""
    predict(texts)
    times = []
    for text in texts:
        began_at = thread_time()
        predict([text])
        times.append((thread_time() - began_at) * 1e3)
    return times


def cut_texts(num_words: int) -> list[str]:
    """Texts of so many words, cut at random from the held-out seeds."""
    words = [word for seed in urgency.read_seeds("heldout") for word in seed.text.split()]
    rng = random.Random(0)
    starts = [rng.randrange(len(words) - num_words) for _ in range(NUM_TIMED)]
    return [" ".join(words[start : start + num_words]) for start in starts]


def print_lengths() -> None:
    """Figures of each set, and the coverage over the second halves of all of them."""
    figures = {}
    for name, file in LENGTH_SETS.items():
        if found := development_set(file):
            figures[name] = length.evaluate(*length.read_lengths(found))
    for name, figure in figures.items():
        print_figure(f"length_{name}_tau_cold", figure.cold_tau, "tau")
        print_figure(f"length_{name}_tau_online", figure.online_tau, "tau")
        print_figure(f"length_{name}_log_mae_online", figure.online_log_mae, "nats")
        print_figure(f"length_{name}_p90_coverage", figure.p90_coverage, "share")
    rows = sum(figure.num_rows for figure in figures.values())
    if rows:
        covered = sum(figure.p90_coverage * figure.num_rows for figure in figures.values())
        print_figure("length_p90_coverage", covered / rows, "share")
    predict, observe = length_ms()
    print_figure("length_ms_per_predict", predict, "ms")
    print_figure("length_ms_per_observe", observe, "ms")


def length_ms(num_prompts: int = 500) -> tuple[float, float]:
    """Milliseconds of one prediction and of learning from one answer, 100 words each."""
    predictor = length.LengthPredictor()
    predictor.compile()
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


def development_set(file: str) -> Path | None:
    """Where a development set is; None, with a note, if it is not here."""
    if (DATA / file).is_file():
        return DATA / file
    print(f"{DATA / file} is not there: no figures of it", file=sys.stderr)
    return None


def print_figure(name: str, value: float, unit: str) -> None:
    """One line: name, value to three places, unit."""
    print(f"{name} {value:.4f} {unit}", flush=True)


if __name__ == "__main__":
    main()
