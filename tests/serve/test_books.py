"""Books: nobody is lost, nobody is counted twice."""

import pytest

from semsched.serve.books import Books, LostRequestError


def test_everybody_is_somewhere() -> None:
    books = Books()
    for urgency in (0, 1, 1):
        books.accept(urgency, is_clamped=urgency == 0)
    books.end(1, "finished")
    books.check(num_there=2)
    books.end(0, "cancelled")
    books.end(1, "failed")
    books.check(num_there=0)
    assert books.num_clamped == 1


@pytest.mark.parametrize("num_there", [0, 2])
def test_one_too_many_or_too_few_is_found(num_there: int) -> None:
    books = Books()
    books.accept(3, is_clamped=False)
    with pytest.raises(LostRequestError, match="accepted 1"):
        books.check(num_there)
