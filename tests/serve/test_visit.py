from semsched.predict.urgency import Verdict
from semsched.serve.visit import MAX_REASON
from tests.serve.visits import finished


def test_what_is_said_of_it_fits_into_headers() -> None:
    reason = "says 'Brüste\r\nx-evil: 1\x7f'" + "x" * MAX_REASON
    said = dict(finished(1, verdict=Verdict(1, reason, source="model")).headers())
    shown = b"says 'Br?ste  x-evil: 1 '"
    assert said == {
        b"x-semsched-class": b"urgent",
        b"x-semsched-reason": shown + b"x" * (MAX_REASON - len(shown)),
        b"x-semsched-queue-ms": b"500",
        b"x-semsched-predicted-tokens": b"50",
        b"x-semsched-backend": b"gpu-0",
    }
