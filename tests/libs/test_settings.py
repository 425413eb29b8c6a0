"""Settings: files beat variables, placeholders and short secrets are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from libs.settings import ServiceSettings


class Toy(ServiceSettings):
    link_secret: SecretStr = SecretStr("")
    greeting: str = "hello"


def test_file_beats_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "greeting").write_text("from the file\n")
    monkeypatch.setenv("CLIPSTEAD_GREETING", "from the variable")
    assert Toy().greeting == "from the variable"
    monkeypatch.setenv("CLIPSTEAD_GREETING_FILE", str(tmp_path / "greeting"))
    assert Toy().greeting == "from the file"


def test_placeholder_refuses_to_start_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSTEAD_LINK_SECRET", "CHANGE-ME")
    with pytest.raises(ValidationError, match="placeholder"):
        Toy()


@pytest.mark.parametrize("secret", ["", "short"])
def test_short_secret_refuses_to_start_in_production(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("CLIPSTEAD_LINK_SECRET", secret)
    Toy()
    monkeypatch.setenv("CLIPSTEAD_ENVIRONMENT", "production")
    with pytest.raises(ValidationError, match="link_secret"):
        Toy()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSTEAD_LINK_SECRET", "canary" * 10)
    assert "canary" not in repr(Toy())


def test_service_urls() -> None:
    settings = Toy(service_urls="auth=http://a:1, ingest=http://b:2")  # type: ignore[arg-type]
    assert settings.service_urls == {"auth": "http://a:1", "ingest": "http://b:2"}


def test_a_refused_setting_does_not_show_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSTEAD_LINK_SECRET", "CHANGE-ME")
    monkeypatch.setenv("CLIPSTEAD_SERVICE_KEY", "canary" * 10)
    with pytest.raises(ValidationError) as caught:
        Toy()
    assert "canary" not in str(caught.value)
