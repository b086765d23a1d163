"""The deployment files say what `openbraket serve` and Ray understand, and agree."""

import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from sqlalchemy import make_url

from openbraket.cli.main import app

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def manifests():
    documents = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def stores():
    return yaml.safe_load((DEPLOY / "compose.stores.yaml").read_text())


def parse(arguments):
    """Have the command's own parser read arguments, without running anything."""
    name, *options = arguments
    command = typer.main.get_command(app).commands[name]
    return command.make_context(name, options).params


def extras():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def server(manifests):
    (container,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def test_servers_arguments_are_understood(compose, manifests):
    for arguments in (compose["services"]["server"]["command"], server(manifests)["args"]):
        settings = parse(arguments)
        assert settings["executor"].startswith("ray://")
        assert str(settings["data_dir"]) == "/data"
        assert settings["durability"].value == "full"


def test_the_server_finds_the_head(compose, manifests):
    host, port = parse(compose["services"]["server"]["command"])["executor"][6:].split(":")
    head = compose["services"][host]
    assert f"--ray-client-server-port={port}" in head["entrypoint"]
    executor = parse(server(manifests)["args"])["executor"]
    cluster = manifests["RayCluster"]
    assert executor == f"ray://{cluster['metadata']['name']}-head-svc:10001"
    head = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert 10001 in [port["containerPort"] for port in head["ports"]]


def test_stores_are_added_to_the_same_server(compose, stores):
    server = stores["services"]["server"]
    settings, before = parse(server["command"]), parse(compose["services"]["server"]["command"])
    assert settings.pop("s3_endpoint") == "http://store:7070"
    before.pop("s3_endpoint")
    assert settings == before
    assert set(server["depends_on"]) <= set(compose["services"]) | set(stores["services"])
    address = make_url(
        re.sub(r"[$]{.*?}", "password", server["environment"]["OPENBRAKET_DATABASE"])
    )
    database = stores["services"][address.host]["environment"]
    assert (address.username, address.database) == (
        database["POSTGRES_USER"],
        database["POSTGRES_DB"],
    )
    assert set(server["build"]["args"]["EXTRAS"].split(",")) <= set(extras())
    for service in stores["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_nothing_runs_as_root_and_only_the_server_is_published(compose, manifests):
    assert "USER 10001" in (DEPLOY / "Dockerfile").read_text().splitlines()
    assert [name for name, service in compose["services"].items() if "ports" in service] == [
        "server"
    ]
    groups = manifests["RayCluster"]["spec"]
    pods = [groups["headGroupSpec"], *groups["workerGroupSpecs"], manifests["Deployment"]["spec"]]
    for pod in pods:
        spec = pod["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_rays_version_is_the_locked_one(manifests):
    lock = (ROOT / "requirements-dev.lock").read_text()
    (version,) = re.findall(r"^ray==(.+)$", lock, re.MULTILINE)
    assert manifests["RayCluster"]["spec"]["rayVersion"] == version


def test_ray_understands_how_the_head_and_the_nodes_are_started(compose):
    scripts = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed")
    for name in ("ray-head", "ray-node"):
        service = compose["services"][name]
        program, command, *options = [*service["entrypoint"], *service["command"]]
        assert (program, command) == ("ray", "start")
        settings = scripts.start.make_context(command, options).params
        assert settings["head"] is (name == "ray-head")
        assert settings["head"] or settings["address"] == "ray-head:6379"


def test_image_has_every_file_that_the_build_needs():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = re.search(r"^COPY (pyproject.+) \./$", dockerfile, re.MULTILINE)[1]
    kept = (ROOT / ".dockerignore").read_text().split()
    for name in [*copied.split(), "src"]:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept
