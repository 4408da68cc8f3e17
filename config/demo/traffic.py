"""When calls come, in the shape of real traffic: few customers make most of it, weeks have a rhythm, calls come in bursts.

The figures were read off published traces: tenants, hours and bursts from alibaba/ServeGen (m-large, Apache-2.0).
"""

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)

# The share of the customer of rank k falls as (k + 5) to the power of -1.8: the best fit to ServeGen's 40 largest tenants.
RANK_SHIFT, RANK_POWER = 5, 1.8

# ServeGen's mean rates by hour of the day and by day of the week; the mean of each is one.
HOUR_RATES = (
    *(0.99, 1.0, 0.99, 0.94, 0.91, 0.88, 0.85, 0.82, 0.79, 0.87, 1.05, 1.11),
    *(0.97, 0.98, 1.05, 1.05, 1.11, 1.08, 1.04, 1.14, 1.13, 1.07, 1.1, 1.09),
)
DAY_RATES = (1.33, 1.12, 1.01, 0.79, 0.85, 0.73, 1.17)
# That service sold to the whole world at once. One company's people sleep: its nights are quieter by this much more.
NIGHT_HOURS, NIGHT_RATE = range(0, 7), 0.35

# The variation of a tenant's inter-arrival times (1 is Poisson): ServeGen's tenants have a median of 1.46 and a tenth
# lie above 5.66, which is this spread of the logarithm.
BURST_MEDIAN, BURST_SPREAD = 1.46, 1.06
BURST_LEAST, BURST_MOST = 0.8, 3.0  # wilder ones would stand still for weeks of ninety days

GROWTH = 0.5  # how much busier the last day is than the first


def shares(count: int) -> list[float]:
    """What part of all calls each customer makes, the largest first.

    >>> [round(share, 2) for share in shares(40)[:3]], round(sum(shares(40)[:16]), 2)
    ([0.15, 0.12, 0.09], 0.81)
    """
    weights = [(rank + RANK_SHIFT) ** -RANK_POWER for rank in range(1, count + 1)]
    return [weight / sum(weights) for weight in weights]


def burstiness(rng: random.Random) -> float:
    """A customer's variation of inter-arrival times."""
    return min(BURST_MOST, max(BURST_LEAST, rng.lognormvariate(math.log(BURST_MEDIAN), BURST_SPREAD)))


def arrivals(
    rng: random.Random, start: datetime, end: datetime, count: int, zone: str, variation: float
) -> Iterator[datetime]:
    """``count`` instants from ``start`` up to ``end``, in order.

    Gaps of a gamma distribution give the bursts; they are counted in work time, which passes faster in busy hours.
    """
    edges = [start + n * HOUR for n in range(math.ceil((end - start) / HOUR))]
    rates = [_rate(edge.astimezone(ZoneInfo(zone)), (edge - start) / (end - start)) for edge in edges]
    rates[-1] *= (end - edges[-1]) / HOUR
    passed = list(accumulate(rates, initial=0.0))
    shape = variation**-2
    gaps = [rng.gammavariate(shape, 1.0) for _ in range(count)]
    gaps.append(shape)  # an average gap up to the end, so that no burst has to stop there
    scale = passed[-1] / sum(gaps)
    work = 0.0
    for gap in gaps[:count]:
        work = min(work + gap * scale, passed[-1] * (1 - 1e-9))
        n = bisect_right(passed, work) - 1
        full_hour = min(HOUR, end - edges[n])
        yield edges[n] + full_hour * ((work - passed[n]) / rates[n])


def _rate(local: datetime, progress: float) -> float:
    night = NIGHT_RATE if local.hour in NIGHT_HOURS else 1.0
    return HOUR_RATES[local.hour] * DAY_RATES[local.weekday()] * night * (1 + GROWTH * progress)
