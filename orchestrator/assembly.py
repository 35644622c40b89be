"""Puts the parts that decide together; `app.py` brings the concrete engine, store and probe."""

import psutil

from .catalog import Catalog
from .engine.base import Engine
from .pictures import read_pictures
from .service.background import Background
from .service.deadlines import Deadlines
from .service.endings import Endings
from .service.estimates import Estimates
from .service.health import Health
from .service.images import Images
from .service.launcher import Launcher, LaunchPolicy
from .service.leases import Leases
from .service.ledger import Clock, Ledger
from .service.pace import Pace
from .service.pool import Pool
from .service.pool_care import PoolCare
from .service.pool_sizes import PoolPolicy, PoolSizes
from .service.queue import Queue, QueuePolicy
from .service.readiness import Probe
from .service.reaper import Reaper
from .service.starter import Starter
from .service.statistics import Statistics
from .service.verified import Verified
from .service.waiting import Waiting
from .settings import Settings
from .store.base import Store
from .web.security import Gate
from .web.services import Services
from .web.sharing import Sharing


async def assemble(
    settings: Settings,
    catalog: Catalog,
    engine: Engine,
    store: Store,
    probe: Probe,
    now: Clock,
    gate: Gate,
    sharing: Sharing,
    background: Background,
) -> Services:
    """All of it, knowing what the store knows, with its loops running in `background`."""
    domain = settings.instance_domain
    ledger = Ledger(store, now)
    deadlines = Deadlines(ledger)
    pace = Pace(ledger)
    images = Images(catalog, engine)
    health = Health(engine, store, probe, background, site_host=settings.site_domain)
    endings = Endings(engine, ledger, background)

    pool = Pool(catalog, ledger, endings, images, pace)
    policy = PoolPolicy(settings.pool_limit, int(settings.pool_reserve), available_memory)
    verified = Verified(ledger, pool)
    sizes = PoolSizes(catalog, pool, images, pace, policy)
    care = PoolCare(catalog, pool, sizes, probe, health, instance_domain=domain)

    starter = Starter(
        catalog,
        engine,
        ledger,
        probe,
        endings,
        pace,
        health,
        turns=settings.start_concurrency,
        instance_domain=domain,
        max_lifetime=settings.max_lifetime,
    )
    waiting = Waiting(ledger)
    queue = Queue(
        catalog,
        ledger,
        waiting,
        starter,
        pool,
        sizes,
        endings,
        health,
        background,
        QueuePolicy(settings.capacity, settings.start_concurrency),
    )
    estimates = Estimates(
        ledger,
        waiting,
        pace,
        health,
        capacity=settings.capacity,
        turns=settings.start_concurrency,
    )
    launcher = Launcher(
        catalog,
        ledger,
        pool,
        images,
        health,
        deadlines,
        pace,
        LaunchPolicy(settings.capacity, settings.queue_limit, settings.max_lifetime),
    )
    reaper = Reaper(
        engine,
        ledger,
        queue,
        endings,
        deadlines,
        images,
        health,
        background,
        history=settings.history,
    )

    await ledger.load()
    await pace.load()
    await verified.load()
    await images.first_look()
    background.loop(reaper.expire, name="deadlines")
    background.loop(reaper.events, name="events")
    background.loop(reaper.forget, name="forget")
    background.loop(queue.run, name="queue")
    background.loop(care.tend, name="pool")
    background.loop(images.watch, name="images")
    if settings.bring_images:
        background.loop(images.bring, name="missing images")
    return Services(
        settings=settings,
        catalog=catalog,
        ledger=ledger,
        launcher=launcher,
        leases=Leases(ledger, endings, engine, max_lifetime=settings.max_lifetime),
        waiting=waiting,
        estimates=estimates,
        pool=pool,
        pool_sizes=sizes,
        pace=pace,
        verified=verified,
        images=images,
        statistics=Statistics(store),
        health=health,
        gate=gate,
        sharing=sharing,
        pictures=read_pictures(catalog),
    )


def available_memory() -> int:
    """Bytes on this machine, which is the engine's; a container sees the machine's figures too."""
    return int(psutil.virtual_memory().available)
