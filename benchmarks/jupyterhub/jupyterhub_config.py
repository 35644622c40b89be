"""JupyterHub as a "try it now" service: a container for each anonymous visitor, on one click.

Tuned as a good administrator would for a fast click; everything not named here is JupyterHub's
default. `peer.py` sets the environment variables.
"""
# mypy: ignore-errors

import os
from concurrent.futures import ThreadPoolExecutor

import docker
from dockerspawner import DockerSpawner

c = get_config()  # noqa: F821  JupyterHub puts it here
setting = os.environ

c.JupyterHub.bind_url = f"http://127.0.0.1:{setting['HUB_PORT']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{setting['HUB_INNER_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{setting['HUB_PROXY_API_PORT']}"
c.ConfigurableHTTPProxy.should_start = False  # `peer.py` started it, and ends it
c.JupyterHub.cleanup_servers = True

# Visitors are anonymous and short-lived, so nothing in the database has to outlive the hub; in
# memory its commits wait for no disk.
c.JupyterHub.db_url = setting["HUB_DATABASE"]
c.JupyterHub.log_level = "WARN"

c.JupyterHub.authenticator_class = "tmpauthenticator.TmpAuthenticator"
c.Authenticator.allow_all = True

# No queue in front of the engine and no limit: a click is never told to come back later, and a
# failed one does not end the hub.
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.Spawner.consecutive_failure_limit = 0
c.Spawner.start_timeout = 60
c.Spawner.http_timeout = 60

image = setting["HUB_IMAGE"]
c.JupyterHub.spawner_class = DockerSpawner
c.DockerSpawner.image = image
c.DockerSpawner.port = int(setting["HUB_APP_PORT"])
c.DockerSpawner.prefix = setting["HUB_NAME"]
c.DockerSpawner.remove = True
# The hub and the proxy go to the container's own address: no published port, and so no
# iptables rules and no docker-proxy process for each visitor.
c.DockerSpawner.network_name = setting["HUB_NETWORK"]
c.DockerSpawner.use_internal_ip = True
# The image is there; without these two, each click asks the engine twice more about it.
c.DockerSpawner.pull_policy = "skip"
built = docker.from_env().images.get(image).attrs["Config"]
c.DockerSpawner.cmd = [*(built["Entrypoint"] or []), *(built["Cmd"] or [])]
c.DockerSpawner.extra_create_kwargs = {
    "entrypoint": [""],  # it is the beginning of `cmd` already
    "labels": {"distros.benchmark": setting["HUB_NAME"], "distros.visitor": "{raw_username}"},
}
# DockerSpawner has one thread for all its calls to the engine: visitors who come at once would
# wait for each other. It has no setting for that.
DockerSpawner._executor = ThreadPoolExecutor(int(setting["HUB_ENGINE_THREADS"]))

# What `Hub.stop` may do.
c.JupyterHub.services = [{"name": "benchmark", "api_token": setting["HUB_API_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "benchmark",
        "scopes": ["admin:users", "admin:servers", "list:users"],
        "services": ["benchmark"],
    }
]
