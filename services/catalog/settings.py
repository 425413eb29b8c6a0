"""Catalog's configuration: what every service has."""

from __future__ import annotations

from libs.settings import ServiceSettings, lazy


class CatalogSettings(ServiceSettings):
    """Nothing beyond the common settings."""


settings = lazy(CatalogSettings)
