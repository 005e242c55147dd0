"""Estimate: a mean over seeds, and how far from it the truth may be (Student's t, 95 %)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

# fmt: off
T_975 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
)
# fmt: on
"""0.975 quantiles of Student's t with 1, 2, .. 20 degrees of freedom."""

Z_975 = 1.959964


class Estimate(NamedTuple):
    """A mean, and the half width of its 95 % confidence interval (None from one seed)."""

    mean: float
    half: float | None = None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Estimate | None":
        """The estimate from one value per seed, None where a seed has none; None from nothing."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        num, mean = len(known), math.fsum(known) / len(known)
        if num == 1:
            return cls(mean)
        variance = math.fsum((value - mean) ** 2 for value in known) / (num - 1)
        return cls(mean, t_975(num - 1) * math.sqrt(variance / num))


def t_975(freedom: int) -> float:
    """0.975 quantile of Student's t (Cornish and Fisher's expansion beyond the table)."""
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    z = Z_975
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
