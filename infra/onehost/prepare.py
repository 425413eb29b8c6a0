"""Run once per start, before the services: database roles and schemas, then every service's migrations."""

from __future__ import annotations

import os
from pathlib import Path

from infra.onehost.place import REPOSITORY
from infra.onehost.secrets import Secrets
from libs import telemetry
from libs.contracts.subscriptions import SERVICES
from libs.database.bootstrap import bootstrap
from libs.database.migrate import migrate

__all__ = ["main"]


def main() -> None:
    """Bring the database to where this release wants it. Repeating it changes nothing."""
    telemetry.configure("prepare")
    secrets = Secrets(Path(os.environ["CLIPSTEAD_HOME"]) / "secrets")
    admin = Path(os.environ["CLIPSTEAD_ADMIN_URL_FILE"]).read_text()
    bootstrap(admin, {service: secrets.password(service) for service in SERVICES}, secrets.password("relay"))
    for service in SERVICES:
        url = (secrets.folder / service / "database_url").read_text()
        migrate(service, url, REPOSITORY / "services" / service / "migrations")


if __name__ == "__main__":
    main()
