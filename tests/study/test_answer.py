import polars as pl

from semsched.study.answer import answers
from semsched.study.experiment import Question

QUESTION = Question(least="num_replicas", says="{policy} needs {value}")


def results(rows: list[tuple[str, str, int, float, str]]) -> pl.DataFrame:
    columns = ["policy", "routing", "num_replicas", "slo_attainment", "urgency"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_the_least_that_is_enough_in_the_mean_over_seeds() -> None:
    found = results(
        [
            ("fcfs", "rr", 1, 0.2, "0"),
            ("fcfs", "rr", 2, 0.98, "0"),
            ("fcfs", "rr", 2, 0.99, "0"),  # 0.985 in the mean: not enough
            ("fcfs", "rr", 4, 1.0, "0"),
            ("edf", "rr", 1, 1.0, "0"),
            ("edf", "rr", 2, 0.5, "0"),  # not from 1 on
            ("edf", "rr", 4, 1.0, "0"),
            ("fcfs", "rr", 1, 1.0, "4"),
            ("smith", "rr", 4, 0.5, "0"),
        ]
    )
    axes = ["num_replicas"]
    assert answers(found, QUESTION, axes) == [
        "fcfs needs 4",
        "edf needs 4",
        "smith: not enough with num_replicas up to 4 (slo_attainment 0.500 at best)",
    ]


def test_the_best_of_the_other_settings_is_named() -> None:
    found = results([("fcfs", "rr", 4, 1.0, "0"), ("fcfs", "least", 3, 1.0, "0")])
    assert answers(found, QUESTION, ["num_replicas", "routing"]) == ["fcfs (least) needs 3"]


def test_what_makes_no_difference_is_not_named() -> None:
    found = results([("fcfs", "rr", 4, 1.0, "0"), ("fcfs", "least", 4, 1.0, "0")])
    assert answers(found, QUESTION, ["num_replicas", "routing"]) == ["fcfs needs 4"]
