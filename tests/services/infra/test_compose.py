"""The container set-up agrees with itself and with the code: checked on its files alone, without Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from pydantic import ValidationError

from infra import secrets
from libs.contracts.subscriptions import SERVICES
from libs.settings import ServiceSettings
from libs.web.tokens import Asked, Signer, Verifier

ROOT = Path(__file__).resolve().parents[3]
BASE, PRODUCTION, MONITORING = "docker-compose.yml", "docker-compose.prod.yml", "docker-compose.monitoring.yml"
EXAMPLES = ROOT / "secrets.example"
WORKERS = SERVICES
OURS = {*SERVICES, *(f"{service}-worker" for service in WORKERS), "relay", "gateway"}
THEIRS = {"postgres", "valkey", "s3"}


class _Loader(yaml.SafeLoader):
    """YAML as Compose reads it."""


def _reset(_: _Loader, __: yaml.Node) -> str:
    return "!reset"


_Loader.add_constructor("!reset", _reset)


@cache
def _read(name: str) -> dict[str, Any]:
    document = yaml.load((ROOT / name).read_text(), _Loader)
    assert isinstance(document, dict)
    return document


def _containers(name: str = BASE) -> dict[str, Any]:
    containers: dict[str, Any] = _read(name)["services"]
    return containers


def _example_files() -> set[str]:
    return {path.name for path in EXAMPLES.iterdir() if path.suffix != ".md"}


def _ports(name: str) -> dict[str, Any]:
    return {container: spec["ports"] for container, spec in _containers(name).items() if "ports" in spec}


# What runs


def test_every_process_has_its_container() -> None:
    assert set(_containers()) == OURS | THEIRS | {"bootstrap"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_and_its_worker_run_from_the_image_of_that_service(service: str) -> None:
    http = _containers()[service]
    assert http["build"]["target"] == "service"
    assert http["build"]["args"] == {"SERVICE": service}
    worker = _containers().get(f"{service}-worker")
    if worker is not None:
        assert worker["image"] == http["image"]
        assert worker["command"] == ["python", "-m", "libs.web", "worker", service]


def test_every_target_that_is_built_is_in_the_dockerfile() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "infra/Dockerfile").read_text(), re.MULTILINE))
    assert {spec["build"]["target"] for spec in _containers().values() if "build" in spec} <= stages


@pytest.mark.parametrize("container", sorted(OURS | {"bootstrap"}))
def test_our_containers_have_no_rights_they_do_not_need(container: str) -> None:
    spec = _containers()[container]
    assert spec["read_only"]
    assert spec["init"]
    assert spec["cap_drop"] == ["ALL"]
    assert spec["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("container", sorted(OURS | THEIRS))
def test_everything_that_stays_up_is_watched_and_comes_back(container: str) -> None:
    spec = _containers()[container]
    assert spec["restart"] == "unless-stopped"
    assert spec["healthcheck"]["test"]
    assert spec["logging"]["options"]["max-size"]


def test_images_run_as_a_user_with_no_rights() -> None:
    stages = re.split(r"^FROM ", (ROOT / "infra/Dockerfile").read_text(), flags=re.MULTILINE)
    final = [stage for stage in stages if re.search(r"^CMD ", stage, re.MULTILINE)]
    assert len(final) == 3
    assert all("\nUSER 10001:10001\n" in stage for stage in final)


def test_what_is_waited_for_exists_and_can_become_healthy() -> None:
    containers = _containers()
    for spec in containers.values():
        for name, wanted in spec.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in containers[name]


def test_services_are_told_where_all_others_are() -> None:
    for container in OURS:
        told = _containers()[container]["environment"]["CLIPSTEAD_SERVICE_URLS"].strip()
        assert dict(pair.split("=") for pair in told.split(",")) == {name: f"http://{name}:8000" for name in SERVICES}


# Secrets


def test_secrets_used_declared_and_exemplified_are_the_same() -> None:
    declared = _read(BASE)["secrets"]
    used = {name for spec in _containers().values() for name in spec.get("secrets", [])}
    assert used == set(declared) == _example_files()
    assert all(spec == {"file": f"./secrets/{name}"} for name, spec in declared.items())


def test_every_example_holds_the_placeholder() -> None:
    assert all(secrets.PLACEHOLDER in (EXAMPLES / name).read_text() for name in _example_files())


@pytest.mark.parametrize("container", sorted(OURS | {"bootstrap"}))
def test_a_secret_file_that_is_named_is_given_to_that_container(container: str) -> None:
    spec = _containers()[container]
    named = {value for name, value in spec["environment"].items() if name.endswith("_FILE")}
    assert named <= {f"/run/secrets/{name}" for name in spec["secrets"]}


def test_nobody_holds_the_key_or_the_database_of_another() -> None:
    for container in OURS - {"relay", "gateway"}:
        own = container.removesuffix("-worker")
        held = {name for name in _containers()[container]["secrets"] if name.endswith(("_database_url", "_key"))}
        assert held == {f"{own}_database_url", f"{own}_service_key"}


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder of secrets as ``./clipstead secrets`` makes it."""
    folder = tmp_path / "secrets"
    secrets.write(folder)
    return folder


def _text(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


def test_no_placeholder_is_left_and_nobody_else_may_look(filled: Path) -> None:
    written = {path.name for path in filled.iterdir() if path.is_file()}
    assert written == _example_files()
    assert not [name for name in written if secrets.PLACEHOLDER in _text(filled, name)]
    assert filled.stat().st_mode & 0o777 == 0o700


def test_passwords_agree_where_two_files_hold_the_same_one(filled: Path) -> None:
    assert urlsplit(_text(filled, "admin_database_url")).password == _text(filled, "postgres_password")
    assert urlsplit(_text(filled, "redis_url")).password == _text(filled, "redis_password")
    key = yaml.safe_load(_text(filled, "s3_config"))["identities"][0]["credentials"][0]
    store = urlsplit(_text(filled, "storage_url"))
    assert (store.username, store.password) == (key["accessKey"], key["secretKey"])


def test_passwords_differ_where_they_protect_different_things(filled: Path) -> None:
    urls = [_text(filled, f"{name}_database_url") for name in ("admin", "relay", *SERVICES)]
    passwords = {urlsplit(url).password for url in urls}
    assert len(passwords) == len(urls)
    assert (
        len(
            {_text(filled, name) for name in ("csrf_secret", "link_secret", "sealing_secret", "redis_password")}
            | passwords
        )
        == len(urls) + 4
    )


def test_what_a_service_signs_the_others_can_verify(filled: Path) -> None:
    for issuer in (*SERVICES, "gateway"):
        token = Signer(issuer, _text(filled, f"{issuer}_service_key")).sign("catalog", Asked("GET", "/"))
        assert Verifier("catalog", filled / "service_keys").verify(token, "GET", "/").principal.service == issuer


def test_secrets_in_use_are_never_overwritten(filled: Path) -> None:
    before = _text(filled, "postgres_password")
    with pytest.raises(FileExistsError):
        secrets.write(filled)
    assert _text(filled, "postgres_password") == before


def test_urls_lead_to_containers_and_the_store_is_spoken_to_in_plain_inside(filled: Path) -> None:
    urls = [_text(filled, name) for name in _example_files() if name.endswith("_url")]
    assert {urlsplit(url).hostname for url in urls} == THEIRS
    assert parse_qs(urlsplit(_text(filled, "storage_url")).query) == {"secure": ["0"]}


@pytest.mark.parametrize("name", ["auth_database_url", "storage_url", "redis_url", "auth_service_key"])
def test_a_placeholder_refuses_to_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field = name.removeprefix("auth_")
    monkeypatch.setenv(f"CLIPSTEAD_{field.upper()}_FILE", str(EXAMPLES / name))
    with pytest.raises(ValidationError, match="still holds the placeholder"):
        ServiceSettings()


# The network


def test_only_the_gateway_has_a_port_on_the_host_and_on_the_loopback() -> None:
    assert _ports(BASE) == {"gateway": ["127.0.0.1:${CLIPSTEAD_PORT:-3000}:8000"]}


def test_production_publishes_the_edge_alone() -> None:
    assert _ports(PRODUCTION) == {"gateway": "!reset", "edge": ["80:80", "443:443"]}


def test_production_rules_hold_in_every_process() -> None:
    stricter = {
        name
        for name, spec in _containers(PRODUCTION).items()
        if spec.get("environment", {}).get("CLIPSTEAD_ENVIRONMENT") == "production"
    }
    assert stricter == OURS


def test_only_what_has_business_outside_can_leave() -> None:
    inside = {name for name, spec in _containers().items() if spec["networks"] == ["inside"]}
    assert _read(BASE)["networks"]["inside"] == {"internal": True}
    assert OURS - inside == {
        "gateway",
        *(f"{name}{part}" for name in ("auth", "ingest", "transcription", "highlight") for part in ("", "-worker")),
    }


def test_the_gateway_believes_the_edge_alone_and_nobody_else_is_on_their_network() -> None:
    address = _containers(PRODUCTION)["edge"]["networks"]["front"]["ipv4_address"]
    assert _containers(PRODUCTION)["gateway"]["environment"]["CLIPSTEAD_TRUSTED_PROXIES"] == address
    subnet = _read(PRODUCTION)["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert ip_address(_default(address)) in ip_network(_default(subnet))
    on_it = {
        name
        for file in (BASE, PRODUCTION, MONITORING)
        for name, spec in _containers(file).items()
        if "front" in spec.get("networks", [])
    }
    assert on_it == {"gateway", "edge"}


def _default(value: str) -> str:
    """What Compose puts for ``${NAME:-default}`` where nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


# Monitoring


def _targets() -> Iterator[str]:
    for job in _read("monitoring/prometheus.yml")["scrape_configs"]:
        for group in job["static_configs"]:
            yield from group["targets"]


def test_prometheus_scrapes_every_process_where_it_tells_its_measurements() -> None:
    expected = {name: 8000 if name in SERVICES else 9000 for name in OURS}
    assert sorted(_targets()) == sorted(f"{name}:{port}" for name, port in expected.items())
    assert all(_containers()[name]["environment"]["CLIPSTEAD_METRICS_PORT"] == "9000" for name in OURS)


def test_monitoring_is_reachable_from_this_machine_only() -> None:
    published = [port for ports in _ports(MONITORING).values() for port in ports]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_alert_fires_and_clears_in_a_test_and_has_a_paragraph_on_what_to_do() -> None:
    rules = [rule for group in _read("monitoring/alerts/clipstead.rules.yml")["groups"] for rule in group["rules"]]
    checks = [
        check for case in _read("monitoring/alerts/clipstead.test.yml")["tests"] for check in case["alert_rule_test"]
    ]
    told = (ROOT / "monitoring/README.md").read_text()
    for alert in (rule["alert"] for rule in rules):
        story = [bool(check.get("exp_alerts")) for check in checks if check["alertname"] == alert]
        assert story
        assert story == [False, True, False] * (len(story) // 3), alert
        assert f"### {alert}\n" in told
    assert len(re.findall("^### ", told, re.MULTILINE)) == len(rules)


def test_the_dashboard_and_the_alerts_ask_for_measurements_that_exist() -> None:
    sources = [
        path.read_text()
        for pattern in ("libs/**/*.py", "gateway/*.py", "services/**/*.py")
        for path in ROOT.glob(pattern)
    ]
    known = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(\w+)"', "\n".join(sources)))
    asked = (ROOT / "monitoring/alerts/clipstead.rules.yml").read_text()
    asked += (ROOT / "monitoring/dashboards/clipstead.json").read_text()
    for name in re.findall(r"\b(\w+(?:_total|_seconds_bucket|_seconds))\b(?=[{\[) ])", asked):
        assert {name, name.removesuffix("_total"), name.removesuffix("_bucket")} & known, name


def test_alert_rules_pass_their_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("optional: promtool is not installed")
    _said_well([promtool, "test", "rules", "clipstead.test.yml"], ROOT / "monitoring/alerts")


# The edge


def _rendered() -> str:
    """The template as nginx's own image fills it: the two variables, and nothing else."""
    template = (ROOT / "infra/edge/clipstead.conf.template").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", template)) == {"CLIPSTEAD_HOST_NAME", "CLIPSTEAD_RESOLVER"}
    return template.replace("${CLIPSTEAD_HOST_NAME}", "clips.test").replace("${CLIPSTEAD_RESOLVER}", "127.0.0.1")


def test_the_edge_overwrites_whatever_a_client_says_of_itself() -> None:
    headers = dict(re.findall(r"proxy_set_header (\S+)\s+(\S+);", _rendered()))
    assert headers["X-Forwarded-For"] == "$remote_addr"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Forwarded"] == headers["X-Real-IP"] == '""'


def test_nginx_takes_the_edges_configuration(tmp_path: Path) -> None:
    nginx, openssl = shutil.which("nginx"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("optional: nginx or openssl is not installed")
    version = re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", _said_well([nginx, "-v"], tmp_path))[0]
    if tuple(map(int, version)) < (1, 27, 3):
        pytest.skip("optional: this nginx is older than 1.27.3, and can't resolve a gateway that moves")
    subject = ["-subj", "/CN=clips.test", "-keyout", "privkey.pem", "-out", "fullchain.pem"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    _said_well([openssl, "req", "-x509", *kind, *subject], tmp_path)
    site = _rendered().replace("/etc/nginx/certificates", str(tmp_path))
    # The check opens its ports; those of the template may be in use here, or forbidden.
    site = re.sub(r"listen (80|443)\b", lambda found: f"listen unix:{tmp_path}/{found[1]}", site)
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/nginx.pid;\nevents {{}}\nhttp {{\n{site}\n}}\n")
    _said_well([nginx, "-t", "-p", str(tmp_path), "-c", str(whole), "-e", "stderr"], tmp_path)


def _said_well(command: list[str], folder: Path) -> str:
    """Run a program that has to end well; returns all it said."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
