"""Throughput: requests a second of the service itself, without Traefik, on kept connections.

The reference is a file of the same size, from Starlette's StaticFiles under the same uvicorn with
the same options, on the same image. The load generator and the server have a core each.
"""

from collections.abc import Iterator

import httpx

from benchmarks.figures import Figure, median
from benchmarks.laboratory import Laboratory
from benchmarks.load import requests_per_second

PORT = 8000
SECONDS = 1.0
TURNS = 3  # of each side


def run(lab: Laboratory) -> Iterator[Figure]:
    lab.until_stocked()
    document = lab.launch("cold-hello")
    token = {"Authorization": f"Bearer {lab.stack.admin_token}"}
    site = {"Host": f"distros.localhost:{lab.stack.port}"}
    asked = {
        "GET /api/v1/instances/{id}": (f"/api/v1/instances/{document['id']}", site | token),
        "GET /api/v1/distributions": ("/api/v1/distributions", site),
        "GET /": ("/", site | {"Accept": "text/html"}),
    }
    for what, (path, headers) in asked.items():
        yield compared(lab, what, path, headers)
    lab.delete(document["id"])


def compared(lab: Laboratory, what: str, path: str, headers: dict[str, str]) -> Figure:
    service, static = lab.address("orchestrator"), lab.address("static")
    with httpx.Client(trust_env=False) as client:
        page = client.get(f"http://{service}:{PORT}{path}", headers=headers)
    page.raise_for_status()
    name = f"{len(page.content)}.json"
    (lab.folder / "static" / name).write_bytes(b" " * len(page.content))
    ours, reference = [], []
    for _ in range(TURNS):
        ours.append(requests_per_second(service, PORT, path, SECONDS, **headers))
        reference.append(requests_per_second(static, PORT, f"/{name}", SECONDS))
    return Figure(
        "throughput",
        what,
        median(ours),
        "/s",
        median(reference),
        "static file, same size",
        better="more",
        live=lab.live,
        details={"bytes": len(page.content)},
    )
