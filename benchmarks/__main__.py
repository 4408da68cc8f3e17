"""``make bench``: every measurement, one after the other, each in a process of its own."""

import subprocess
import sys

MODULES = ("benchmarks.ingest", "benchmarks.rating", "benchmarks.rate_periods")


def main() -> int:
    """Run all; the exit status is that of the worst."""
    worst = 0
    for module in MODULES:
        print(f"\n== {module} ==", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", module], check=False).returncode)
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
