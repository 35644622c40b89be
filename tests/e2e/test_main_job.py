"""The main job, on the real stack: one click to a running site, and gone when its time is up."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

import httpx
import pytest

from .stack import Stack, docker

ONE_SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("slug", "text"), [("dokuwiki", "DokuWiki"), ("mediawiki", "MediaWiki")])
def test_the_command_line_launches_an_application_at_its_own_subdomain(
    stack: Stack, slug: str, text: str
) -> None:
    document = stack.distros("launch", slug, "--name", "My Wiki", "--wait")
    assert document["state"] == "ready"
    assert document["url"] == f"http://my-wiki-{document['id']}.sandbox.localhost:{stack.port}/"
    page = stack.get(document["url"], follow_redirects=False)
    while page.is_redirect:
        target = page.headers["location"]
        page = stack.get(target if "://" in target else document["url"].rstrip("/") + target)
    assert page.status_code == 200 and text in page.text
    assert page.headers["X-Distros-Instance"] == document["id"]
    assert stack.distros("delete", document["id"]) is not None
    stack.until_told_gone(document["url"])


def test_any_site_name_leads_to_the_same_instance(stack: Stack) -> None:
    document = stack.launch("hello", name="one")
    for prefix in ("", "one-", "another-name-"):
        url = f"http://{prefix}{document['id']}.sandbox.localhost:{stack.port}/"
        page = stack.get(url)
        assert page.headers["X-Distros-Instance"] == document["id"]


def test_an_instance_is_gone_within_a_second_of_its_end(stack: Stack) -> None:
    document = stack.launch("hello", lifetime=60)
    end = datetime.fromisoformat(document["expires_at"])
    ready = datetime.fromisoformat(document["ready_at"])
    assert end - ready == timedelta(seconds=60)
    instance_id = document["id"]
    assert stack.objects("container", instance_id)
    removed = stack.until_removed(instance_id, timeout=70)
    assert timedelta(0) <= removed - end < ONE_SECOND
    for kind in ("container", "volume", "network"):
        assert stack.objects(kind, instance_id) == []
    stack.until_told_gone(document["url"])
    ended = stack.show(instance_id)
    assert (ended["state"], ended["reason"]) == ("gone", "expired")


def test_what_expired_while_the_service_was_killed_is_removed_within_two_seconds_of_its_return(
    stack: Stack,
) -> None:
    documents = [stack.launch("hello", lifetime=10) for _ in range(3)]
    orchestrator = f"{stack.name}-orchestrator-1"
    docker("kill", "--signal", "KILL", orchestrator)
    try:
        ends = [datetime.fromisoformat(document["expires_at"]) for document in documents]
        time.sleep(max(0.0, max(end.timestamp() for end in ends) - time.time()) + 2)
        assert all(stack.objects("container", document["id"]) for document in documents)
    finally:
        docker("start", orchestrator)
    wait_until_up(stack)
    up = datetime.now().astimezone()
    for document in documents:
        assert stack.until_removed(document["id"], timeout=5) - up < 2 * ONE_SECOND
        stack.until_told_gone(document["url"])


def wait_until_up(stack: Stack) -> None:
    give_up = time.monotonic() + 30
    while stack.get(f"{stack.site_url}/healthz").status_code != 200:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_renewal_survives_a_restart_of_the_service(stack: Stack) -> None:
    document = stack.launch("hello", lifetime=20)
    time.sleep(2)
    with stack.api() as api:
        renewed = api.post(f"/instances/{document['id']}/renew").json()
    assert renewed["expires_at"] > document["expires_at"]
    docker("restart", "--time", "10", f"{stack.name}-orchestrator-1")
    wait_until_up(stack)
    assert stack.show(document["id"])["expires_at"] == renewed["expires_at"]
    assert stack.get(document["url"]).status_code == 200


def test_a_crash_is_told_with_its_exit_code_and_last_lines(stack: Stack) -> None:
    document = stack.launch("hello")
    stack.get(document["url"] + "exit/7")
    stack.until_removed(document["id"], timeout=5)
    ended = until_ended(stack, document["id"])
    assert (ended["state"], ended["reason"]) == ("gone", "crashed")
    assert ended["detail"] == "The site's main process ended with exit code 7."


def test_running_out_of_memory_is_recognised(stack: Stack) -> None:
    document = stack.launch("hello")
    with suppress(httpx.TransportError):  # the answer may be lost with its process
        stack.get(document["url"] + "oom")
    stack.until_removed(document["id"], timeout=20)
    assert until_ended(stack, document["id"])["reason"] == "out_of_memory"


def until_ended(stack: Stack, instance_id: str) -> dict[str, object]:
    give_up = time.monotonic() + 10
    while (document := stack.show(instance_id))["state"] not in ("gone", "failed"):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return document


def test_a_container_removed_outside_is_noticed(stack: Stack) -> None:
    document = stack.launch("hello")
    docker("rm", "--force", stack.container(document["id"]))
    assert until_ended(stack, document["id"])["reason"] == "removed_outside"


def test_two_visitors_cannot_see_or_delete_each_others_instance(stack: Stack) -> None:
    with stack.api(admin=False) as anna, stack.api(admin=False) as ben:
        launched = anna.post(
            "/instances", json={"distribution": "dokuwiki"}, headers={"Prefer": "wait=60"}
        )
        path = f"/instances/{launched.json()['id']}"
        assert ben.get(path).status_code == 404
        assert ben.delete(path).status_code == 404
        assert ben.post(f"{path}/renew").status_code == 404
        assert ben.get("/instances").json() == {"instances": []}
        assert anna.get(path).json()["state"] == "ready"
        assert anna.delete(path).status_code == 204


def test_every_line_of_a_launch_carries_its_instance_and_its_request_and_no_secret(
    stack: Stack,
) -> None:
    with stack.api(admin=False) as visitor:
        launched = visitor.post(
            "/instances", json={"distribution": "dokuwiki"}, headers={"Prefer": "wait=60"}
        )
        document = launched.json()
        visitor.delete(f"/instances/{document['id']}")
        cookie = visitor.cookies["distros_visitor"]
    written = docker("logs", "--since", "2m", f"{stack.name}-orchestrator-1")
    lines = [json.loads(line) for line in written.splitlines()]
    mine = [line for line in lines if line.get("instance") == document["id"]]
    assert [line["event"] for line in mine] == ["launch", "ready", "ending", "ended"]
    assert mine[0]["request"] == mine[1]["request"] == launched.headers["x-request-id"]
    for secret in (document["login"]["password"], cookie, stack.admin_token):
        assert secret not in written


def test_ten_launches_at_once_all_become_ready_at_addresses_of_their_own(stack: Stack) -> None:
    with ThreadPoolExecutor(10) as threads:
        documents = list(threads.map(lambda _: stack.launch("hello"), range(10)))
    for document in documents:
        assert stack.get(document["url"]).headers["X-Distros-Instance"] == document["id"]
    with stack.api() as api:
        for document in documents:
            assert api.delete(f"/instances/{document['id']}").status_code == 204
    for document in documents:
        assert stack.objects("container", document["id"]) == []


def test_unknown_hosts_and_instances_are_told_apart(stack: Stack) -> None:
    unknown = stack.get(f"http://x-abcdefghijkm.sandbox.localhost:{stack.port}/")
    assert unknown.status_code == 404 and "X-Distros-Not-Live" in unknown.headers
    elsewhere = stack.get(f"http://somewhere.localhost:{stack.port}/")
    assert elsewhere.status_code == 421


def test_the_dashboards_are_on_the_admin_port_only(stack: Stack) -> None:
    dashboard = f"http://127.0.0.1:{stack.admin_port}/dashboard/"
    assert "Traefik" in stack.get(dashboard).text
    for path, status in (
        ("/dashboard/", 404),
        ("/api/rawdata", 404),
        ("/ping", 404),
        ("/metrics", 401),
    ):
        public = stack.get(f"{stack.site_url}{path}")  # the service has metrics of its own
        assert public.status_code == status and "traefik" not in public.text.lower()


def test_a_second_up_changes_nothing_and_says_where_the_site_is(stack: Stack) -> None:
    document = stack.launch("hello")
    # The stack's own; instances of other tests come to their ends meanwhile.
    containers = ("ps", "--quiet", "--filter", f"label=com.docker.compose.project={stack.name}")
    before = docker(*containers)
    up = stack.script("up.sh")
    assert up.returncode == 0, up.stderr
    assert stack.site_url in up.stdout
    assert docker(*containers) == before
    assert stack.get(document["url"]).status_code == 200


def test_a_taken_port_is_told_in_one_sentence(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("second")
    env = folder / "env"
    changed = stack.env_file.read_text().replace("distros-test", "distros-test-second")
    env.write_text(changed.replace("10.219.", "10.222.").replace("10.218.", "10.228."))
    second = Stack("distros-test-second", stack.port, stack.admin_port, stack.admin_token, env)
    up = second.script("up.sh")
    assert up.returncode != 0
    assert f"distros: cannot listen on 127.0.0.1:{stack.port}: address already in use" in up.stderr
    assert "Set DISTROS_LISTEN to another." in up.stderr and "Traceback" not in up.stderr
    assert (
        subprocess.run(
            ["docker", "ps", "--quiet", "--filter", "name=distros-test-second"],
            capture_output=True,
            text=True,
        ).stdout
        == ""
    )
