"""Run the relay: ``python -m libs.bus relay``. Its database role is ``clipstead_relay``."""

from __future__ import annotations

import signal
import sys
import threading

import prometheus_client

from libs import faults, telemetry
from libs.bus.relay import Relay
from libs.settings import ServiceSettings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    if sys.argv[1:] != ["relay"]:
        sys.exit(__doc__)
    settings = ServiceSettings()
    telemetry.configure("relay", settings.log_level)
    telemetry.begin_probes("relay", settings.silences)
    faults.arm(settings.environment)
    if settings.metrics_port:
        prometheus_client.start_http_server(settings.metrics_port, addr=settings.host)
    relay = Relay(settings.database_url.get_secret_value(), settings.redis_url.get_secret_value())
    worker = threading.Thread(target=relay.run, name="relay")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    worker.start()
    worker.join()


if __name__ == "__main__":
    main()
