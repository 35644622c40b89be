"""A service that has been busy for a month, for the pages that an admin sees."""

import asyncio
from datetime import timedelta

from playwright.async_api import Page

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.fair_share import LONGEST, Machine
from orchestrator.domain.history import Count, What
from orchestrator.domain.models import Caller, Instance, Reason
from orchestrator.service.meter import Reading
from tests.support import ADMIN_TOKEN

from .site import Site

LAUNCHES = {"dokuwiki": 31, "mediawiki": 17, "drupal": 11, "shop": 7, "forum": 5, "blog": 3}
ENDINGS = {Reason.EXPIRED: 29, Reason.DELETED: 17, Reason.CRASHED: 2, Reason.OUT_OF_MEMORY: 1}
SITES = ("team-notes", "recipes", None, "shop")
LOG = (
    "[notice] AH00163: Apache/2.4 (Debian) configured -- resuming normal operations",
    '"GET / HTTP/1.1" 200 14482',
    '"GET /lib/exe/css.php HTTP/1.1" 200 30116',
    '"POST /doku.php HTTP/1.1" 302 -',
)
MIB = 1024**2


async def busy(on: Site) -> list[Instance]:
    """Sites that live, oldest first."""
    await _a_month(on)
    sites = []
    for number, name in enumerate(SITES):
        slug = ("dokuwiki", "mediawiki")[number % 2]
        visitor = Caller(f"v-{number}abcdef0123456", address=f"{number}" * 64, network="n")
        sites.append(await on.world.launched(visitor, slug, name=name))
        on.world.engine.host.say(on.world.engine.name_of(sites[-1].id), *LOG)
    for number in range(9):
        if number == 3:
            on.world.engine.fail_next("start", EngineError("No space left on device."))
        await on.world.services.synthetic.run()
    await measured(on, sites)
    for _ in range(3):
        hot = Reading(1.0, MIB, MIB, seconds=LONGEST)
        await on.world.services.fair_share.judge({sites[-1].id: hot}, Machine(2, 0.5))
    return sites


async def _a_month(on: Site) -> None:
    ledger = on.world.services.ledger
    for back in range(1, 31):
        day = ledger.now().date() - timedelta(days=back)
        counts = [
            *(
                Count(day, slug, What.LAUNCH, "cold", most * (back * 7 % 11) // 10)
                for slug, most in LAUNCHES.items()
            ),
            *(
                Count(day, "dokuwiki", What.ENDING, reason, most * (back * 7 % 11) // 10)
                for reason, most in ENDINGS.items()
            ),
            Count(day, "hello", What.SYNTHETIC, "worked", 288),
        ]
        if back in (4, 17):
            counts.append(Count(day, "hello", What.SYNTHETIC, "failed", 3))
        for each in counts:
            await ledger.store.count(each)


async def measured(on: Site, sites: list[Instance]) -> None:
    """Twice, so that CPU time is known too."""
    containers = [
        on.world.engine.host.containers[on.world.engine.name_of(each.id)] for each in sites
    ]
    for number, each in enumerate(containers, 1):
        each.memory = 37 * number * MIB
    meter = on.world.services.meter
    await meter.measure()
    await asyncio.sleep(0.05)
    for number, each in enumerate(containers, 1):
        each.cpu += 0.002 * number
    await meter.measure()


async def sign_in(page: Page) -> None:
    await page.goto("/admin/")
    await page.locator("#secret").fill(ADMIN_TOKEN)
    await page.locator("button.primary").click()
    await page.locator("#health").wait_for()


def pages(sites: list[Instance]) -> dict[str, str]:
    """Name → address."""
    return {
        "admin": "/admin/",
        "admin-instances": "/admin/instances?sort=memory",
        "admin-history": "/admin/history?days=30",
        "admin-instance": f"/admin/target?kind=instance&key={sites[0].id}",
        "admin-log": f"/admin/log?id={sites[0].id}",
        "admin-safeguards": "/admin/safeguards",
        "admin-record": "/admin/record",
    }
