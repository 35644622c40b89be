"""Each app template, deployed as Portainer deploys it: what the form asks for, and nothing else."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from orchestrator.domain.distribution import Distribution
from orchestrator.domain.portainer import Template, templates

from .stack import docker
from .test_distribution_images import CATALOG, image_of, listed, wait_until_ready

FILLED_IN = "what-the-user-types"


@contextmanager
def deployed(template: Template) -> Iterator[str]:
    """The container's name."""
    name = f"distros-test-portainer-{secrets.token_hex(3)}"
    variables = [
        f"--env={each['name']}={each.get('default', FILLED_IN)}" for each in template["env"]
    ]
    ports = [f"--publish=127.0.0.1::{each}" for each in template["ports"]]
    restart = f"--restart={template['restart_policy']}"
    try:
        docker("run", "--detach", f"--name={name}", restart, *variables, *ports, template["image"])
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True)


def client_of(name: str, distribution: Distribution) -> httpx.Client:
    published = docker("port", name, f"{distribution.port}/tcp").split()[0]
    return httpx.Client(base_url=f"http://{published}", timeout=30, trust_env=False)


@listed
def test_a_template_is_deployed_by_its_form_alone(slug: str) -> None:
    distribution = image_of(slug)
    file = templates([(each, None) for each in CATALOG.listed()], "http://distros.localhost:8080")
    [template] = [each for each in file["templates"] if each["image"] == distribution.image.ref]
    with deployed(template) as name, client_of(name, distribution) as client:
        wait_until_ready(distribution, client, name)
        if distribution.login:
            assert client.get(distribution.login.path).status_code == 200
        if distribution.login and distribution.login.password_env:
            assert distribution.login.password_env in str(template["env"])
