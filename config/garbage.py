"""The garbage collector of a process that lives long."""

import gc

# Looked for after so many new objects, and among older ones every twentieth time: a batch of 1,000 events makes tens of
# thousands of objects that all go without a collector's help.
THRESHOLDS = (10_000, 20, 20)


def settle_collector() -> None:
    """Leave what is loaded by now out of every later collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
