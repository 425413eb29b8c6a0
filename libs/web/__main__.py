"""Run a part of the platform: ``python -m libs.web http|worker NAME``, ``… migrate NAME…``.

``NAME`` is a service, or ``gateway``. Its ``app.py`` exports ``service``, or ``create()`` and ``settings()``.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from libs.web.service import Service, serve


def _app(name: str) -> Any:
    return importlib.import_module("gateway.app" if name == "gateway" else f"services.{name}.app")


def _http(name: str) -> None:
    module = _app(name)
    if isinstance(getattr(module, "service", None), Service):
        serve(module.service.http(), module.service.settings())
    else:
        serve(module.create(), module.settings())


def _migrate(names: list[str]) -> None:
    """Migrate services one after the other; several need ``CLIPSTEAD_DATABASE_URL_<NAME>`` for each."""
    from pathlib import Path

    from libs.database.migrate import migrate

    for name in names:
        url = os.environ.get(f"CLIPSTEAD_DATABASE_URL_{name.upper()}") or _url_of(name)
        migrate(name, url, Path(__file__).resolve().parents[2] / "services" / name / "migrations")


def _url_of(name: str) -> str:
    service: Service = _app(name).service
    return service.settings().database_url.get_secret_value()


def main() -> None:
    """Parse the command line."""
    match sys.argv[1:]:
        case ["http", name]:
            _http(name)
        case ["worker", name]:
            _app(name).service.work()
        case ["migrate", *names] if names:
            _migrate(names)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
