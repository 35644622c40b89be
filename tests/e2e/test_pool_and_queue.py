"""The warm pool and the queue, on real stacks: a click that feels like a link, and honest waits."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from .browser import Visitor
from .stack import Stack, docker, running_stack

PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two bridges, because of its capacity; a pool of two DokuWikis and three hellos."""
    with running_stack(
        tmp_path_factory.mktemp("pooled"),
        name="distros-pooled",
        port=28380,
        subnet="10.223.0.0/16",
        DISTROS_CAPACITY="1001",
        DISTROS_POOLS="dokuwiki=2,mediawiki=0,drupal=0,hello=3",
        DISTROS_BRING_IMAGES="false",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One place, and two who may wait."""
    with running_stack(
        tmp_path_factory.mktemp("small"),
        name="distros-small",
        port=28480,
        subnet="10.224.0.0/16",
        DISTROS_CAPACITY="1",
        DISTROS_QUEUE_LIMIT="2",
        DISTROS_POOL_LIMIT="0",
        DISTROS_BRING_IMAGES="false",
    ) as started:
        yield started


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def containers(stack: Stack, *labels: str) -> set[str]:
    """Names of the stack's instances that carry these labels, too, be they running or not."""
    filters = [f"--filter=label={each}" for each in (f"distros.stack={stack.name}", *labels)]
    return set(docker("ps", "--all", "--format={{.Names}}", *filters).split())


def network_of(container: str) -> str:
    names = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}"
    return docker("inspect", "--format", names, container).strip()


def until_full(stack: Stack) -> None:
    """Every pool has what it should have, ready."""
    until(lambda: all(each["ready"] == each["target"] for each in stack.distros("pool")))


def launch(stack: Stack, slug: str, **body: Any) -> dict[str, Any]:
    """As the API answers at once."""
    with stack.api() as api:
        answer = api.post("/instances", json={"distribution": slug} | body)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


# -- the pool --------------------------------------------------------------------------------------


def test_a_launch_is_answered_with_a_site_that_answers(pooled: Stack) -> None:
    until_full(pooled)
    document = launch(pooled, "dokuwiki", name="My first wiki")
    assert document["state"] == "ready"
    assert document["url"].startswith("http://my-first-wiki-")
    page = pooled.get(document["url"])
    assert page.status_code == 200 and page.headers["X-Distros-Instance"] == document["id"]
    assert "My first wiki" in page.text  # its title
    with pooled.api() as api:
        assert api.delete(f"/instances/{document['id']}").status_code == 204
    pooled.until_told_gone(document["url"])


@pytest.mark.parametrize("javascript", [True, False])
def test_a_click_leads_straight_to_the_site(
    pooled: Stack, browser: Browser, javascript: bool
) -> None:
    until_full(pooled)
    visitor = Visitor.with_or_without_scripts(pooled, browser, javascript)
    visited: list[str] = []
    visitor.page.context.on(
        "page", lambda tab: tab.on("framenavigated", lambda frame: visited.append(frame.url))
    )
    instance_id = visitor.create("DokuWiki", "straight")
    expect(visitor.page.locator("body")).to_contain_text("Welcome to your DokuWiki")
    assert not [url for url in visited if "/instances/" in url]  # no page to wait on
    visitor.open_instance(instance_id)
    visitor.leave()
    assert visitor.complaints == []


def test_no_two_visitors_get_the_same_site_or_password(pooled: Stack) -> None:
    until_full(pooled)
    with ThreadPoolExecutor(8) as threads:
        documents = list(threads.map(lambda _: launch(pooled, "dokuwiki"), range(8)))
    assert len({each["id"] for each in documents}) == 8
    assert len({each["login"]["password"] for each in documents}) == 8
    with pooled.api() as api:
        for each in documents:
            api.delete(f"/instances/{each['id']}")


def test_the_pools_containers_say_so_and_are_no_running_sites(pooled: Stack) -> None:
    until_full(pooled)
    assert len(containers(pooled, "distros.pool=true")) == 5
    assert "0 sites running now" in pooled.get(pooled.site_url).text


def test_a_broken_one_is_replaced_unseen(pooled: Stack) -> None:
    until_full(pooled)
    members = containers(pooled, "distros.pool=true", "distros.distribution=hello")
    docker("kill", *members)
    until(lambda: not members & containers(pooled))  # the service has heard of it
    until_full(pooled)
    document = launch(pooled, "hello")
    assert pooled.container(document["id"]) not in members
    assert pooled.get(document["url"]).status_code == 200


def test_a_killed_service_finds_its_pool_again(pooled: Stack) -> None:
    until_full(pooled)
    before = containers(pooled, "distros.pool=true")
    orchestrator = f"{pooled.name}-orchestrator-1"
    docker("kill", "--signal", "KILL", orchestrator)
    docker("start", orchestrator)
    until(lambda: pooled.get(f"{pooled.site_url}/readyz").status_code == 200)
    until_full(pooled)
    assert containers(pooled, "distros.pool=true") == before
    document = launch(pooled, "hello")
    assert pooled.get(document["url"]).status_code == 200


def test_beyond_a_thousand_there_are_two_bridges_and_both_are_reached(pooled: Stack) -> None:
    documents = [launch(pooled, "hello") for _ in range(4)]
    until(lambda: all(pooled.show(each["id"])["state"] == "ready" for each in documents))
    networks = {network_of(pooled.container(each["id"])) for each in documents}
    assert networks == {f"{pooled.name}-sandbox", f"{pooled.name}-sandbox-2"}
    for each in documents:
        assert pooled.get(each["url"]).headers["X-Distros-Instance"] == each["id"]


# -- the queue -------------------------------------------------------------------------------------


def test_where_all_places_are_taken_a_visitor_waits_and_is_taken_there(
    small: Stack, browser: Browser
) -> None:
    first = small.launch("hello", lifetime=20)
    visitor = Visitor(small, browser.new_context().new_page())
    visitor.page.goto(small.site_url)
    visitor.page.get_by_label("DokuWiki", exact=True).check()
    visitor.press_create()
    expect(visitor.page.get_by_text("number 1 in the queue")).to_be_visible()
    expect(visitor.page.get_by_text(re.compile(r"^Ready in about \d+ seconds"))).to_be_visible()
    visitor.arrive()
    expect(visitor.page.locator("body")).to_contain_text("Welcome to your DokuWiki")
    assert small.show(first["id"])["reason"] == "expired"
    visitor.leave()
    assert visitor.complaints == []


def test_the_api_tells_position_and_estimate_and_refuses_when_the_queue_is_full(
    small: Stack,
) -> None:
    running = small.launch("hello", lifetime=600)
    waiting = [launch(small, "hello", lifetime=10) for _ in range(2)]
    assert [small.show(each["id"])["queue_position"] for each in waiting] == [1, 2]
    estimate = small.show(waiting[0]["id"])["estimate"]
    assert 500 < estimate["usual"] <= estimate["at_worst"] < 620
    with small.api(admin=False) as late:
        refused = late.post("/instances", json={"distribution": "dokuwiki"})
        assert (refused.status_code, refused.json()["code"]) == (503, "capacity_reached")
        assert 500 < int(refused.headers["Retry-After"]) < 620
    with small.api() as api:
        assert api.delete(f"/instances/{waiting[0]['id']}").status_code == 204
        assert small.show(waiting[0]["id"])["state"] == "gone"
        assert small.show(waiting[1]["id"])["queue_position"] == 1
        assert api.delete(f"/instances/{running['id']}").status_code == 204
    until(lambda: small.show(waiting[1]["id"])["state"] == "ready")
    until(lambda: small.show(waiting[1]["id"])["state"] == "gone")
