"""A developer may be signed in without signing in; nobody else may."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from gateway.settings import GatewaySettings
from tests.services.gateway.conftest import SECRET
from tests.services.gateway.services import Auth, Service

Connect = Callable[..., httpx.Client]
DEV = "dev@example.org"


def test_requests_without_a_credential_are_the_developers(
    connect: Connect, auth: Auth, services: dict[str, Service], capsys: pytest.CaptureFixture[str]
) -> None:
    user, other = auth.admit(DEV), auth.admit("csk_other")
    client = connect(dev_auto_login_user_email=DEV)

    reply = client.get("/api/v1/clips")
    assert reply.status_code == 200
    assert services["render"].seen[-1].principal.user_id == user
    assert auth.questions[-1]["dev_email"] == DEV
    assert reply.headers["x-clipstead-dev-login"] == DEV
    assert client.get("/api/nothing").headers["x-clipstead-dev-login"] == DEV
    assert f"SIGNED IN AS {DEV}" in capsys.readouterr().err
    client.get("/api/v1/clips", headers={"Authorization": "Bearer csk_other"})
    assert services["render"].seen[-1].principal.user_id == other, "who has a credential is who they are"
    assert client.get("/api/v1/clips", headers={"Authorization": "Bearer csk_wrong"}).status_code == 401
    client.get("/p/x?chunks=1")
    assert services["stream"].seen[-1].principal.acting is None


def test_another_site_makes_no_changes_with_it(connect: Connect, auth: Auth) -> None:
    auth.admit(DEV)
    client = connect(dev_auto_login_user_email=DEV)

    assert client.post("/api/v1/clips", json={}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_developer_whom_auth_does_not_know_is_nobody(connect: Connect) -> None:
    client = connect(dev_auto_login_user_email="nobody@example.org")

    assert client.get("/api/v1/clips").status_code == 401
    assert client.get("/api/v1/library").status_code == 200


def test_usually_nobody_is_signed_in_unasked(client: httpx.Client) -> None:
    reply = client.get("/api/v1/clips")

    assert reply.status_code == 401
    assert "x-clipstead-dev-login" not in reply.headers


def test_in_production_it_does_not_start() -> None:
    with pytest.raises(ValueError, match="dev_auto_login_user_email"):
        GatewaySettings(
            environment="production",
            csrf_secret=SECRET,
            public_url="https://clips.example.org",
            dev_auto_login_user_email=DEV,
        )
