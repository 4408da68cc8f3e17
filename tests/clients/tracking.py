"""``python tracking.py URL KEY SPOOL NAME COUNT [SETTINGS]``: a program that tracks, and writes each id once it is kept."""

import json
import sys

from burnline import Client

url, key, spool, name, count = sys.argv[1:6]
settings = {"fsync": "always", "batch_seconds": 0.01, "batch_events": 7, "retry_seconds": (0.01, 0.05)}
settings |= json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}
client = Client(url, key, spool=spool, **settings)
print("ready", flush=True)
for number in range(int(count)):
    event_id = client.track(customer="acme", usage={"output": 1}, id=f"{name}-{number}")
    if event_id is not None:
        sys.stdout.write(event_id + "\n")
        sys.stdout.flush()
print("all", flush=True)
sys.stdin.read()  # lives until it is killed, or told to end by the end of its input
print(json.dumps({"in_memory": client.stats().in_memory, "tracked": client.stats().tracked}), flush=True)
