"""What a scan tells of real images, with and without a shell, and leaves behind: nothing."""

import contextlib
import dataclasses
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from orchestrator.domain.distribution import Image
from orchestrator.engine.scan import Rights, Scan, rights_in, scan
from orchestrator.engine.sdk import Client

from .conftest import DOCKER_URL, IMAGE, make_spec

pytestmark = pytest.mark.timeout(60)

REF = "distros-contract/scanned:1"


@pytest.fixture
def client(docker_images: None, docker_client: docker.APIClient) -> Iterator[Client]:
    with contextlib.closing(Client(DOCKER_URL, timeout=30)) as made:
        yield made
        with contextlib.suppress(docker.errors.ImageNotFound):
            docker_client.remove_image(REF, force=True)


def scanned(client: Client, folder: Path, recipe: str) -> Scan:
    (folder / "Dockerfile").write_text(recipe)
    lines = client.build(path=str(folder), tag=REF, rm=True, decode=True)
    assert not [line["error"] for line in lines if "error" in line]
    before = {one["Id"] for one in client.containers(all=True)}
    distribution = make_spec(image=Image(ref=REF), tmpfs={}).distribution
    found = scan(client, distribution)
    assert {one["Id"] for one in client.containers(all=True)} == before
    assert found is not None
    return found


def test_it_tells_all_that_a_bad_image_brings_and_why_it_is_refused(
    client: Client, tmp_path: Path
) -> None:
    found = scanned(
        client,
        tmp_path,
        f"""FROM {IMAGE}
USER root
RUN cp /bin/true /opt/setuid && chmod 4755 /opt/setuid && mkdir -m 777 /opt/open
VOLUME /more
EXPOSE 8080 22
LABEL traefik.enable=true
ENTRYPOINT ["/opt/setuid", "-x"]
""",
    )

    assert (found.user, found.pinned, found.healthcheck) == ("root", False, True)
    assert found.entrypoint == ("/opt/setuid", "-x")
    assert found.exposed == ("22/tcp", "8080/tcp")
    assert found.volumes == ("/data", "/more")
    assert found.labels == {"traefik.enable": "true"}
    assert "/opt/setuid" in found.rights.setuid
    assert found.rights.world_writable == ("/opt/open",)
    assert [reason.partition(".")[0] for reason in found.refused] == [
        "It carries labels of its own: traefik",
        "It runs as root",
        "It has volumes without a limit: /data, /more",
    ]


def test_it_needs_no_shell_in_the_image(client: Client, tmp_path: Path) -> None:
    (tmp_path / "program").write_text("nothing of it is executed")
    found = scanned(client, tmp_path, "FROM scratch\nCOPY program /\nUSER 1000:1000\n")

    assert found.rights == Rights()
    assert found.refused == ()


def test_an_image_that_is_not_there_is_none(client: Client) -> None:
    distribution = make_spec(image=Image(ref="distros-contract/never-built:1")).distribution

    assert scan(client, distribution) is None


def test_it_finds_files_with_capabilities_and_spares_sticky_folders() -> None:
    capable, sticky = tarfile.TarInfo("bin/ping"), tarfile.TarInfo("tmp")
    capable.pax_headers = {"SCHILY.xattr.security.capability": "\x01"}
    sticky.type, sticky.mode = tarfile.DIRTYPE, 0o1777
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(capable)
        archive.addfile(sticky)
    packed.seek(0)

    with tarfile.open(fileobj=packed) as archive:
        found = rights_in(archive)

    assert dataclasses.astuple(found) == ((), ("/bin/ping",), ())
