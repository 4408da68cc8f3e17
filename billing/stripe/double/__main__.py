"""``python -m billing.stripe.double``: the double as a server of its own, until interrupted."""

import argparse
import signal
import threading

from billing.stripe.double.stripe_double import StripeDouble


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m billing.stripe.double", description="A stand-in for Stripe."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine alone)"
    )
    parser.add_argument("--port", type=int, default=12111, help="port to listen on; 0 picks a free one")
    parser.add_argument("--state", help="file that keeps everything across restarts")
    parser.add_argument("--webhook-url", help="where events are posted")
    parser.add_argument("--webhook-secret", help="secret that signs them")
    asked = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    double = StripeDouble(
        host=asked.host,
        port=asked.port,
        state=asked.state,
        webhook_url=asked.webhook_url,
        webhook_secret=asked.webhook_secret,
    )
    with double:
        print(f"Stripe double: {double.url}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
