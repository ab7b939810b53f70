"""The compose file: right by its own schema, nothing has rights that it does not need, and what it mounts is there."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.docs import plain_yaml
from tests.packaging.prometheus_files import ROOT
from tests.packaging.tools import tool

PATH = ROOT / "packaging" / "compose" / "compose.yaml"
COMPOSE: dict[str, Any] = plain_yaml.load(PATH)
OWN_FILES = ("./config.toml", "./node.toml", "./archive.toml", "./secrets")
"""What the operator puts there."""


@pytest.mark.skipif(tool("check-jsonschema") is None, reason="check-jsonschema is not installed (pip)")
def test_it_is_right_by_the_schema_of_compose() -> None:
    command = [str(tool("check-jsonschema")), "--builtin-schema", "vendor.compose-spec", str(PATH)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_are_those_that_are_promised() -> None:
    engines = ["prometheus", "alertmanager", "grafana", "nats", "postgres"]
    assert list(COMPOSE["services"]) == ["oracle", "node", "archive", *engines]
    assert {n for n, s in COMPOSE["services"].items() if "profiles" in s} == {"node", "archive", "nats", "postgres"}
    images = {n: COMPOSE["services"][n]["image"] for n in engines}
    assert all(re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", image) for image in images.values()), images


def test_the_oracle_has_no_rights_and_its_secrets_are_files() -> None:
    oracle = COMPOSE["services"]["oracle"]
    assert (oracle["read_only"], oracle["cap_drop"]) == (True, ["ALL"])
    assert oracle["security_opt"] == ["no-new-privileges:true"]
    assert oracle["ulimits"]["core"] == 0
    assert oracle["environment"] == {"LRT_ORACLE_SECRETS": "/run/secrets"}
    assert set(oracle["secrets"]) <= set(COMPOSE["secrets"])


def test_a_node_has_no_rights_no_secrets_and_no_volume() -> None:
    node = COMPOSE["services"]["node"]
    assert (node["command"], node["read_only"], node["cap_drop"]) == (["serve"], True, ["ALL"])
    assert not {"secrets", "environment"} & set(node)
    assert [v.rsplit(":", 1)[1] for v in node["volumes"]] == ["ro"]


def test_an_archive_has_no_rights_and_one_secret() -> None:
    archive = COMPOSE["services"]["archive"]
    assert (archive["command"], archive["read_only"], archive["cap_drop"]) == (["archive"], True, ["ALL"])
    assert archive["secrets"] == ["POSTGRES_PASSWORD"]
    assert [v.rsplit(":", 1)[1] for v in archive["volumes"]] == ["ro"]


def test_ports_are_open_on_this_machine_alone() -> None:
    ports = [p for s in COMPOSE["services"].values() for p in s.get("ports", [])]
    assert ports
    assert all(p.startswith("127.0.0.1:") for p in ports)


def test_what_is_mounted_is_in_the_repository_or_a_volume() -> None:
    for service in COMPOSE["services"].values():
        for mount in service.get("volumes", []):
            source = re.sub(r"^\$\{\w+:-([^}]*)\}", r"\1", mount).split(":")[0]
            there = source in COMPOSE["volumes"] or source in OWN_FILES or (PATH.parent / source).exists()
            assert there, mount
