"""The tests' own engine does what the scenarios need of it, and leaves nothing on the machine."""

import pytest

from .engine import own_engine, processes_of, run, unusable
from .service import image_of


@pytest.fixture(autouse=True)
def usable() -> None:
    if reason := unusable():
        pytest.skip(reason)


def network_of_the_machine() -> tuple[set[str], set[str]]:
    """Its links (the engine's own `docker0` among them) and its routes."""
    links = run("ip", "-brief", "link", "show", "type", "bridge").splitlines()
    return {link.split()[0] for link in links}, set(run("ip", "route").splitlines())


def test_it_leaves_nothing_whatever_was_done_to_it() -> None:
    network = network_of_the_machine()
    with own_engine(disk="200M", reached=False) as engine:
        engine.load("distros/hello:1", image_of("hello"))
        with engine.client() as client:
            client.create_network("some", driver="bridge")
            client.create_container(
                image_of("hello"), host_config=client.create_host_config(network_mode="some")
            )
            client.start(client.containers(all=True)[0]["Id"])
        folder = engine.folder
        assert processes_of(folder)
        engine.kill()
        engine.start()
        engine.kill()
    assert processes_of(folder) == []
    assert not folder.exists()
    assert str(folder) not in run("losetup", "--list") + run("mount")
    assert network_of_the_machine() == network


def test_its_disk_is_full_when_it_is_told_to_be() -> None:
    with own_engine(disk="200M", reached=False) as engine:
        engine.disk.fill()
        with pytest.raises(AssertionError, match="no space left on device"):
            engine.load("distros/hello:1")
        engine.disk.empty()
        engine.load("distros/hello:1")
