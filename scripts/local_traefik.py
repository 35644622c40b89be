"""Writes Traefik's configuration for one stack: `traefik/` with other addresses and names.

Traefik cannot read its static configuration from variables, so the Compose stack, `make dev` and
the tests all get a copy made here. `traefik/` itself stays what one reads and edits.
"""

import argparse
import os
import subprocess
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from orchestrator.domain.addresses import AddressPlan
from orchestrator.settings import Networks

SOURCE = Path(__file__).resolve().parent.parent / "traefik"
DEFAULT_SUBNET = "10.213.0.0/16"


def render(
    target: Path,
    *,
    web: str,
    admin: str,
    stack: str,
    network: str,
    docker_url: str,
    orchestrator_url: str,
    subnet: str = DEFAULT_SUBNET,
    bridges: int = 1,
    outer_proxies: str = "",
    seen_at: Path | None = None,
) -> Path:
    """Fills `target` and returns the static configuration's path, for `traefik --configfile=`.

    `web` and `admin` are listen addresses (`127.0.0.1:8081`), `subnet` the instances' network, in
    so many `bridges`, which is kept off the admin entrypoint. `seen_at` is where Traefik sees
    `target`, if it runs in a container. The default certificate is made once and then kept.
    """
    target = target.resolve()
    seen_at = seen_at or target
    (target / "dynamic").mkdir(parents=True, exist_ok=True)
    _make_certificate(target)

    static = _load(SOURCE / "traefik.yml")
    static["entryPoints"]["web"]["address"] = web
    static["entryPoints"]["web"]["forwardedHeaders"]["trustedIPs"] = list(
        map(str, Networks.read(outer_proxies))
    )
    static["entryPoints"]["admin"]["address"] = admin
    static["providers"]["docker"] |= {
        "endpoint": docker_url,
        "network": network,
        "constraints": f"Label(`distros.stack`, `{stack}`)",
    }
    static["providers"]["file"]["directory"] = str(seen_at / "dynamic")
    _write(target / "traefik.yml", static)

    for source in sorted((SOURCE / "dynamic").glob("*.yml")):
        dynamic = _load(source)
        http = dynamic.get("http", {})
        for router in http.get("routers", {}).values():
            router["rule"] = _for_subnet(router["rule"], IPv4Network(subnet), bridges)
        if orchestrator := http.get("services", {}).get("orchestrator"):
            orchestrator["loadBalancer"]["servers"] = [{"url": orchestrator_url}]
        if tls := dynamic.get("tls"):
            tls["stores"]["default"]["defaultCertificate"] = {
                "certFile": str(seen_at / "certificate.pem"),
                "keyFile": str(seen_at / "certificate.key"),
            }
        _write(target / "dynamic" / source.name, dynamic)
    return target / "traefik.yml"


def _for_subnet(rule: str, subnet: IPv4Network, bridges: int) -> str:
    """Each bridge's first address is the host itself."""
    default = IPv4Network(DEFAULT_SUBNET)
    hosts = [f"ClientIP(`{each[1]}`)" for each in AddressPlan(subnet, bridges).bridges]
    rule = rule.replace(f"ClientIP(`{default[1]}`)", " || ".join(hosts))
    return rule.replace(f"`{default}`", f"`{subnet}`")


def _make_certificate(target: Path) -> None:
    certificate, key = target / "certificate.pem", target / "certificate.key"
    if certificate.exists() and key.exists():
        return
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ),
            *("-nodes", "-days", "3650", "-subj", "/CN=distros"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o644)  # Traefik runs as nobody; .state/ around it is its owner's alone


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("target", type=Path)
    for name in ("web", "admin", "stack", "network", "docker-url", "orchestrator-url"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--subnet", default=DEFAULT_SUBNET)
    parser.add_argument("--bridges", type=int, default=1)
    parser.add_argument("--outer-proxies", default="")
    parser.add_argument("--seen-at", type=Path)
    os.umask(0o022)  # Traefik reads it as nobody
    print(render(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
