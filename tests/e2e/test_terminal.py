"""A terminal in the browser, on the whole stack: Chromium, Traefik, orchestrator, guard, engine."""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .browser import PATIENCE, Visitor, close
from .stack import Stack, docker

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def visitor(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1100, "height": 800})
    one = Visitor(stack, context.new_page())
    yield one
    one.leave()


def shell(page: Page) -> Locator:
    """What the terminal shows."""
    return page.locator(".xterm-rows")


def open_terminal(visitor: Visitor, distribution: str = "DokuWiki") -> str:
    """As a visitor gets there; the instance's id."""
    instance_id = visitor.create(distribution)
    visitor.open_instance(instance_id)
    visitor.page.get_by_role("link", name="Terminal").click()
    expect(shell(visitor.page)).to_contain_text("$")
    return instance_id


def run(page: Page, line: str, answer: str | re.Pattern[str]) -> None:
    page.keyboard.type(line)
    page.keyboard.press("Enter")
    expect(shell(page)).to_contain_text(answer)


def processes(stack: Stack, instance_id: str) -> list[str]:
    return docker("top", stack.container(instance_id), "-eo", "pid,args").splitlines()[1:]


def attached(stack: Stack, instance_id: str, **headers: str) -> ClientConnection:
    """To the terminal's socket, past any browser."""
    return connect(
        f"ws://distros.localhost:{stack.port}/instances/{instance_id}/terminal/socket",
        sock=socket.create_connection(("127.0.0.1", stack.port), timeout=20),
        additional_headers=headers,
        origin=headers.pop("Origin", None),  # type: ignore[arg-type]
        proxy=None,
        open_timeout=20,
    )


def until_prompt(connection: ClientConnection) -> None:
    while b"$" not in bytes(connection.recv(timeout=20, decode=False)):
        pass


def cookie_of(visitor: Visitor) -> str:
    (mine,) = (c for c in visitor.page.context.cookies() if c["name"] == "distros_visitor")
    return f"distros_visitor={mine['value']}"


@pytest.mark.parametrize("distribution", ["DokuWiki", "MediaWiki"])
def test_a_visitor_works_in_the_shell_of_their_own_site(
    visitor: Visitor, stack: Stack, distribution: str
) -> None:
    open_terminal(visitor, distribution)
    page = visitor.page
    expect(page.get_by_role("status").first).to_contain_text("Connected")
    run(page, "echo =$((6*7))=", "=42=")
    run(page, "echo =$(id -u)=", "=33=")
    run(page, "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status", re.compile(r"CapEff:\s*0{16}"))
    expect(shell(page)).to_contain_text(re.compile(r"NoNewPrivs:\s*1"))
    assert visitor.complaints == []


def test_it_follows_the_size_of_the_window(visitor: Visitor) -> None:
    open_terminal(visitor)
    page = visitor.page
    sizes = []
    for width in (1100, 600):
        page.set_viewport_size({"width": width, "height": 800})
        page.keyboard.type(f"clear; while sleep 0.2; do stty size; echo {width}-seen; break; done")
        page.keyboard.press("Enter")
        expect(shell(page)).to_contain_text(re.compile(rf"\d+ \d+\s*{width}-seen"))
        found = re.search(rf"(\d+) (\d+)\s*{width}-seen", shell(page).inner_text())
        assert found is not None
        sizes.append(int(found[2]))
    assert sizes[0] > sizes[1] + 30


def test_the_end_of_the_site_closes_it_with_a_sentence_and_a_way_on(
    visitor: Visitor, stack: Stack
) -> None:
    instance_id = open_terminal(visitor)
    with stack.api() as api:
        api.delete(f"/instances/{instance_id}")
    page = visitor.page
    expect(page.get_by_role("status").first).to_have_text(
        "The site is over, and its terminal with it. "
        "Its page says what has happened, and offers a new one."
    )
    page.get_by_role("link", name="Back to the site’s page").last.click()
    expect(page.get_by_role("heading", name="This site was removed")).to_be_visible()
    assert visitor.complaints == []


def test_leaving_the_page_leaves_nothing_running(visitor: Visitor, stack: Stack) -> None:
    instance_id = visitor.create("DokuWiki")
    before = processes(stack, instance_id)
    visitor.page.goto(f"{stack.site_url}/instances/{instance_id}/terminal")
    expect(shell(visitor.page)).to_contain_text("$")
    visitor.page.keyboard.type("sleep 7531 & sleep 1357")
    visitor.page.keyboard.press("Enter")
    until(lambda: sum("sleep" in each for each in processes(stack, instance_id)) == 2)

    visitor.page.goto(stack.site_url)

    until(lambda: len(processes(stack, instance_id)) <= len(before))
    assert not any("sleep" in each for each in processes(stack, instance_id))


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_shell_that_ends_can_be_opened_anew(visitor: Visitor) -> None:
    open_terminal(visitor)
    page = visitor.page
    page.keyboard.type("exit")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("The shell has ended.")
    again = page.get_by_role("button", name="Open a new shell")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(shell(page)).to_contain_text("A new shell")
    run(page, "echo =$((2*21))=", "=42=")


def test_a_cut_connection_is_opened_again_by_itself(visitor: Visitor, stack: Stack) -> None:
    """As after a restart of the service."""
    open_terminal(visitor)
    page = visitor.page
    docker("restart", "--time", "15", f"{stack.name}-orchestrator-1")
    expect(shell(page)).to_contain_text("A new shell", timeout=60_000)
    run(page, "echo =$((6*7))=", "=42=")


def test_nobody_else_gets_in(visitor: Visitor, stack: Stack, browser: Browser) -> None:
    instance_id = open_terminal(visitor)
    own, home = cookie_of(visitor), {"Origin": stack.site_url}
    stranger = Visitor(stack, browser.new_context().new_page())
    stranger.page.goto(stack.site_url)
    foreign = cookie_of(stranger)
    answer = stranger.page.goto(f"{stack.site_url}/instances/{instance_id}/terminal")
    assert answer is not None and answer.status == 404
    never = stranger.page.goto(f"{stack.site_url}/instances/abcdefghijkm/terminal")
    assert never is not None and never.status == 404
    stranger.leave()

    def refused(**headers: str) -> tuple[int, str]:
        with pytest.raises(InvalidStatus) as error:
            attached(stack, instance_id, **headers)
        response = error.value.response
        return response.status_code, (response.body or b"").decode()

    assert refused(Cookie=foreign, **home)[0] == 404
    assert refused(**home)[0] == 404
    token = {"Authorization": f"Bearer {stack.admin_token}"}
    assert refused(**token, **home)[0] == 404
    for evil in ("http://evil.localhost", "null", f"http://x.sandbox.localhost:{stack.port}"):
        assert refused(Cookie=own, Origin=evil)[0] == 403
    assert refused(Cookie=own)[0] == 403
    with attached(stack, instance_id, Cookie=own, **home) as connection:
        until_prompt(connection)


def test_another_sites_page_cannot_type_into_it(
    visitor: Visitor, stack: Stack, browser: Browser
) -> None:
    """With the visitor's cookies, in their own browser."""
    instance_id = open_terminal(visitor)
    page = visitor.page.context.new_page()
    page.route(
        "http://evil.localhost/**",
        lambda route: route.fulfill(body="<p>evil", content_type="text/html"),
    )
    page.goto("http://evil.localhost/")
    address = f"ws://distros.localhost:{stack.port}/instances/{instance_id}/terminal/socket"
    opened = page.evaluate(
        """(address) => new Promise((resolve) => {
          const socket = new WebSocket(address);
          socket.onopen = () => resolve("open");
          socket.onclose = () => resolve("refused");
        })""",
        address,
    )
    assert opened == "refused"


def test_a_huge_message_ends_the_connection_and_not_the_service(
    visitor: Visitor, stack: Stack
) -> None:
    instance_id = open_terminal(visitor)
    headers = {"Cookie": cookie_of(visitor), "Origin": stack.site_url}
    with attached(stack, instance_id, **headers) as connection:
        until_prompt(connection)
        connection.send(b"x" * 1024 * 1024)
        with contextlib.suppress(ConnectionClosed):
            while True:
                connection.recv(timeout=20)
    run(visitor.page, "echo =$((6*7))=", "=42=")


def test_a_flood_is_drawn_at_the_pace_of_the_page(visitor: Visitor) -> None:
    """And an interrupt gets through."""
    open_terminal(visitor)
    page = visitor.page
    run(page, "yes", "y")
    page.wait_for_timeout(1000)
    page.keyboard.press("Control+c")
    run(page, "clear; echo =$((6*7))=", "=42=")


def test_the_admin_opens_one_and_the_log_says_so(
    visitor: Visitor, stack: Stack, browser: Browser
) -> None:
    instance_id = visitor.create("DokuWiki")
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.goto(f"{stack.site_url}/admin/")
    page.get_by_label("Token").fill(stack.admin_token)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{stack.site_url}/admin/instances?words={instance_id}")
    page.get_by_role("link", name=f"Terminal of {instance_id}").click()
    expect(shell(page)).to_contain_text("$")
    run(page, "echo =$((6*7))=", "=42=")
    page.goto(f"{stack.site_url}/admin/record")
    row = page.locator("tr", has_text=instance_id).filter(has_text="open terminal")
    expect(row.first).to_contain_text("ok")
    close(page.context)
