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
from .test_take_away import PAGES, slugs, write

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


def template_of(distribution: Distribution) -> Template:
    file = templates([(each, None) for each in CATALOG.listed()], "http://distros.localhost:8080")
    [template] = [each for each in file["templates"] if each["image"] == distribution.image.ref]
    return template


@listed
def test_a_template_is_deployed_by_its_form_alone(slug: str) -> None:
    distribution = image_of(slug)
    template = template_of(distribution)
    with deployed(template) as name, client_of(name, distribution) as client:
        wait_until_ready(distribution, client, name)
        if distribution.login:
            assert client.get(distribution.login.path).status_code == 200
        if distribution.login and distribution.login.password_env:
            assert distribution.login.password_env in str(template["env"])


@slugs
def test_what_was_written_is_there_after_a_restart(slug: str) -> None:
    distribution = image_of(slug)
    with deployed(template_of(distribution)) as name:
        with client_of(name, distribution) as client:
            wait_until_ready(distribution, client, name)
        write(name, slug, "before-the-restart")
        docker("exec", name, "rm", "-rf", "/tmp/opcache")  # noqa: S108  # it says nothing
        docker("restart", name)
        with client_of(name, distribution) as client:  # Docker chooses another port
            wait_until_ready(distribution, client, name)
            assert "before-the-restart" in client.get(PAGES[slug]).text
