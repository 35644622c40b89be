"""`python -m orchestrator.guard`: serves the guard, with the orchestrator's settings."""

import os

import uvicorn

from .. import logs
from ..catalog import load_catalog
from ..layout import routing
from ..settings import load_settings
from .creation import Policy
from .handover import Protocol
from .service import Guard
from .upstream import Upstream

PORT = 2375


def main() -> None:
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    policy = Policy(routing(settings), load_catalog(settings.distributions_dir))
    socket = os.environ.get("DISTROS_DOCKER_SOCKET", "/var/run/docker.sock")
    uvicorn.run(
        Guard(policy, Upstream.at(socket)),
        host="0.0.0.0",  # noqa: S104  # on a network that only the orchestrator shares
        port=PORT,
        http=Protocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,  # the engine's own goes on, and its date
        date_header=False,
        limit_concurrency=512,
        timeout_keep_alive=300,  # the orchestrator's connections wait for their next call
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=16 * 1024,
    )


if __name__ == "__main__":
    main()
