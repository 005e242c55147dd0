"""What is believed of a length, as P50 and P90, and what is left of it while tokens come out.

A length is taken as log-logistic: longer than t with probability 1 / (1 + (t / P50)^shape), where
the shape is such that one in ten is longer than P90. Of the laws with two quantiles and a heavy
tail it is the one whose conditional quantiles have a closed form. All is plain arithmetic on
scalars, so the compiled kernel compiles these very functions.
"""

from math import expm1, log, pow

LN2, LN9 = log(2.0), log(9.0)

STEEPEST = 1.02
"""Shape up to which the median left rises from the first token on, for any P50 below 2^31."""


def shape_of(p50: float, p90: float) -> float:
    """The log-logistic's exponent, for 0 < p50 < p90; the larger, the surer."""
    return LN9 / log(p90 / p50)


def length_beyond(p50: float, shape: float, emitted: float, quantile: float) -> float:
    """The length that a share `quantile` of the answers longer than `emitted` does not exceed.

    Solves survival(length) = (1 - quantile) survival(emitted); tokens, not rounded. The two forms
    are one, each where its power is at most 1 and cannot overflow.
    """
    ratio = emitted / p50
    if ratio <= 1.0:
        unit, odds = p50, quantile + pow(ratio, shape)
    else:
        unit, odds = emitted, 1.0 + quantile * pow(ratio, -shape)
    return unit * pow(odds / (1.0 - quantile), 1.0 / shape)


def turning_point(p50: float, shape: float) -> int:
    """Tokens up to which the median left falls; the longer an answer runs on, the longer yet.

    Where the slope of `length_beyond` - emitted at the median is 0, rounded down.
    """
    if shape < STEEPEST:
        return 0
    return int(p50 * pow(2.0 * expm1(LN2 / (shape - 1.0)), -1.0 / shape))


def tokens_left(p50: int, p90: int, emitted: int) -> int:
    """The median of the tokens still to come; it never rises as tokens are emitted.

    From the turning point on it stays: a request must not fall back in the order while it runs
    (core/seats.py). Up to there each token lowers it by more than 0.3 / p50, which no rounding
    undoes for lengths of up to ten million. Without a tail (p90 0, or not above p50) the length
    is a point, and nothing is left of it once it is reached.
    """
    if p90 <= p50:
        return max(p50 - emitted, 0)
    shape = shape_of(p50, p90)
    known = min(emitted, turning_point(p50, shape))
    return int(length_beyond(p50, shape, known, 0.5) - known + 0.5)
