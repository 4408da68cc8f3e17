"""``make bench``: the numbers that the design promises, part by part, each in a process of its own.

``make bench only=ingest`` runs one part. Two take long and run only when they are asked for: ``scale`` fills the table of
events with 20 million, ``memory`` watches a web process for ten minutes.
"""

import subprocess
import sys
import time

PARTS = ("ingest", "rating", "freshness", "rate_periods", "invoices")
LONG_PARTS = ("scale", "memory")


def main() -> int:
    """Run the parts; 1 where one did not run to its end, or fell short of a target."""
    wanted = sys.argv[1:] or list(PARTS)
    unknown = sorted(set(wanted) - {*PARTS, *LONG_PARTS})
    if unknown:
        print(f"There is no part {unknown[0]!r}; write one of {', '.join((*PARTS, *LONG_PARTS))}.")
        return 2
    short = 0
    for part in wanted:
        started_at = time.monotonic()
        print(f"\n== {part} ==", flush=True)
        code = f"import sys; from benchmarks.{part} import main; sys.exit(main() is False)"
        short |= subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode
        print(f"({time.monotonic() - started_at:.0f} s)", flush=True)
    return min(short, 1)


if __name__ == "__main__":
    raise SystemExit(main())
