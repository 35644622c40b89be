"""Under a real domain: TLS ends at a proxy before Traefik, as docs/configuration.md shows."""

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from .browser import close
from .stack import ROOT, Stack, running_stack

PORT = 28780
TLS_PORT = 28783
SITE = f"https://distros.localhost:{TLS_PORT}"
BLOCK = re.compile(r"```haproxy\n(.+?)```", re.DOTALL)


@contextmanager
def tls_proxy(folder: Path) -> Iterator[None]:
    """HAProxy with the configuration that the documentation shows, on ports of the test's own."""
    names = "subjectAltName=DNS:distros.localhost,DNS:*.sandbox.localhost"
    certificate = folder / "site.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=distros.localhost", "-addext", names),
            *("-keyout", certificate, "-out", folder / "only.pem"),
        ],
        check=True,
        capture_output=True,
    )
    with certificate.open("a") as file:
        file.write((folder / "only.pem").read_text())
    shown = BLOCK.findall((ROOT / "docs" / "configuration.md").read_text())[0]
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        shown.replace(":443 ", f"127.0.0.1:{TLS_PORT} ")
        .replace("/etc/haproxy/site.pem", str(certificate))
        .replace("127.0.0.1:8080", f"127.0.0.1:{PORT}")
    )
    running = subprocess.Popen(["/usr/sbin/haproxy", "-f", configuration])
    try:
        yield
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("there is no haproxy here, and apt-get could not bring it")
    folder = tmp_path_factory.mktemp("tls")
    settings = {
        "DISTROS_SITE_URL": SITE,
        "DISTROS_INSTANCES_URL": f"https://sandbox.localhost:{TLS_PORT}",
        "DISTROS_OUTER_PROXIES": "10.228.0.1/32",
        "DISTROS_LAUNCHES_PER_ADDRESS": "2",
        "DISTROS_POOL_LIMIT": "0",
    }
    with (
        tls_proxy(folder),
        running_stack(
            folder, name="distros-tls", port=PORT, subnet="10.228.0.0/24", **settings
        ) as stack,
    ):
        yield stack


def test_a_visitor_gets_a_site_and_never_leaves_tls(behind_tls: Stack, browser: Browser) -> None:
    page = browser.new_context(ignore_https_errors=True).new_page()
    page.goto(SITE)
    page.get_by_label("DokuWiki", exact=True).check()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Create").click()
    opened.value.wait_for_url(re.compile(rf"^https://\w+\.sandbox\.localhost:{TLS_PORT}/"))
    expect(opened.value.locator("body")).to_contain_text("DokuWiki")
    assert all(each["secure"] for each in page.context.cookies(SITE))
    assert any(each["name"].startswith("__Host-") for each in page.context.cookies(SITE))
    close(page.context)


def test_it_says_that_it_wants_tls(behind_tls: Stack) -> None:
    with visitor_from("127.0.0.4", behind_tls) as visitor:
        assert visitor.get("/").headers["strict-transport-security"]


def test_visitors_behind_the_proxy_have_addresses_of_their_own(behind_tls: Stack) -> None:
    def launched_from(address: str) -> int:
        with visitor_from(address, behind_tls) as visitor:
            return visitor.post("/api/v1/instances", json={"distribution": "dokuwiki"}).status_code

    assert [launched_from("127.0.0.5") for _ in range(3)] == [202, 202, 429]
    assert launched_from("127.0.0.6") == 202


@contextmanager
def visitor_from(address: str, stack: Stack) -> Iterator[httpx.Client]:
    """Who trusts the proxy's certificate, and connects from this address."""
    trusting = ssl.create_default_context(cafile=stack.env_file.with_name("only.pem"))
    transport = httpx.HTTPTransport(verify=trusting, local_address=address)

    def named(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = "distros.localhost"

    with httpx.Client(
        transport=transport,
        base_url=f"https://127.0.0.1:{TLS_PORT}",
        headers={"Host": f"distros.localhost:{TLS_PORT}"},
        event_hooks={"request": [named]},
        timeout=20,
        trust_env=False,
    ) as visitor:
        yield visitor
