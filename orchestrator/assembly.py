"""Puts the parts that decide together; `app.py` brings the concrete engine, store and probe."""

from collections.abc import Callable
from functools import partial

from .catalog import Catalog
from .domain.fair_share import Machine
from .domain.pressure import Reserves
from .engine.base import Engine
from .metrics import Metrics
from .pictures import read_pictures
from .policies import available_memory, limit_policy, take_away_policy, terminal_policy
from .service.admin_secrets import AdminSecrets
from .service.background import Background
from .service.backups import Backups
from .service.captcha import CaptchaVerifier
from .service.checkup import Checkup
from .service.clock import SteadyClock, keep
from .service.consumer import Consumer
from .service.deadlines import Deadlines
from .service.endings import Endings
from .service.estimates import Estimates
from .service.fair_share import FairShare
from .service.health import Health
from .service.images import Images
from .service.launcher import Launcher, LaunchPolicy
from .service.leases import Leases
from .service.ledger import Clock, Ledger
from .service.limits import Limits
from .service.looks import Looks
from .service.measuring import Measuring
from .service.meter import Meter
from .service.pace import Pace
from .service.pool import Pool
from .service.pool_care import PoolCare
from .service.pool_sizes import PoolPolicy, PoolSizes
from .service.pressure import Pressure
from .service.queue import Queue, QueuePolicy
from .service.readiness import Probe
from .service.reaper import Reaper
from .service.reconciler import Reconciler
from .service.route_care import RouteCare
from .service.routes import Routes
from .service.safety import Safety
from .service.starter import Starter
from .service.statistics import Statistics
from .service.stopping import Stopping
from .service.synthetic import Synthetic
from .service.take_away import TakeAways
from .service.terminals import Terminals
from .service.tokens import Tokens
from .service.verified import Verified
from .service.waiting import Waiting
from .settings import Settings
from .store.base import Store
from .store.database import database_folder
from .web.security import Gate
from .web.services import Services
from .web.sessions import AdminSessions
from .web.sharing import Sharing


async def assemble(
    *,
    settings: Settings,
    catalog: Catalog,
    engine: Engine,
    store: Store,
    probe: Probe,
    routes: Routes,
    now: Clock,
    machine: Callable[[], Machine],
    captcha: CaptchaVerifier,
    tokens: Tokens,
    gate: Gate,
    admin_secrets: AdminSecrets,
    sharing: Sharing,
    admin_sessions: AdminSessions,
    metrics: Metrics,
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
    safety = Safety(ledger, endings)
    route_care = RouteCare(catalog, engine, routes, background, stack=settings.stack)

    pool = Pool(catalog, ledger, endings, images, pace)
    verified = Verified(ledger, pool)
    reserves = Reserves(int(settings.disk_reserve), int(settings.memory_reserve))
    pressure = Pressure(engine, ledger, reserves, database_folder(settings.database_url))
    policy = PoolPolicy(
        settings.pool_limit,
        int(settings.pool_reserve),
        available_memory,
        lambda: pressure.acute,
    )
    sizes = PoolSizes(catalog, pool, images, pace, safety, policy)
    care = PoolCare(catalog, pool, sizes, probe, health, instance_domain=domain)

    starter = Starter(
        catalog,
        engine,
        ledger,
        probe,
        endings,
        pace,
        health,
        route_care,
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
    limits = Limits(limit_policy(settings))
    launcher = Launcher(
        catalog,
        ledger,
        pool,
        images,
        health,
        deadlines,
        pace,
        captcha,
        limits,
        pressure,
        LaunchPolicy(settings.capacity, settings.queue_limit, settings.max_lifetime),
    )
    looks = Looks(engine, ledger, endings, route_care, background, stack=settings.stack)
    reconciler = Reconciler(
        engine, ledger, queue, endings, looks, route_care, background, stack=settings.stack
    )
    consumer = Consumer(
        window=settings.relist_interval.total_seconds(),
        call=settings.engine_timeout.total_seconds(),
    )
    reaper = Reaper(
        engine,
        ledger,
        endings,
        deadlines,
        looks,
        reconciler,
        images,
        health,
        consumer,
        background,
        history=settings.history,
    )
    synthetic = Synthetic(
        catalog,
        ledger,
        launcher,
        endings,
        probe,
        slug=settings.synthetic_distribution,
        interval=settings.synthetic_interval.total_seconds(),
        capacity=settings.capacity,
        instance_domain=domain,
    )

    stopping = Stopping()
    terminals = Terminals(catalog, engine, ledger, safety, stopping, terminal_policy(settings))

    async def compare() -> None:
        await tokens.load(background)
        await safety.load()
        await admin_sessions.load()
        await reconciler.reconcile(await engine.list())

    await tokens.load(background)
    await safety.load()
    await admin_sessions.load()
    await ledger.load()
    await pace.load()
    await verified.load()
    meter = Meter(engine, ledger, health, background)
    fair_share = FairShare(catalog, engine, ledger, meter, machine)
    measuring = Measuring(  # counts from here on
        metrics,
        ledger,
        sizes,
        health,
        consumer,
        background,
        synthetic,
        fair_share,
        capacity=settings.capacity,
    )
    await images.first_look()
    background.loop(reaper.expire, name="deadlines")
    background.loop(reaper.events, name="events")
    background.loop(reaper.forget, name="forget")
    if isinstance(now, SteadyClock):
        background.loop(partial(keep, now, ledger), name="clock")
    background.loop(queue.run, name="queue")
    background.loop(care.tend, name="pool")
    background.loop(images.watch, name="images")
    background.loop(health.watch, name="health")
    background.loop(pressure.watch, name="pressure")
    background.loop(fair_share.watch, name="fair share")
    if synthetic.enabled:
        background.loop(synthetic.watch, name="synthetic launch")
    if settings.bring_images:
        background.loop(images.bring, name="missing images")
    return Services(
        settings=settings,
        catalog=catalog,
        ledger=ledger,
        launcher=launcher,
        leases=Leases(ledger, endings, engine, safety, max_lifetime=settings.max_lifetime),
        take_aways=TakeAways(catalog, engine, take_away_policy(settings)),
        waiting=waiting,
        estimates=estimates,
        pool=pool,
        pool_sizes=sizes,
        pace=pace,
        verified=verified,
        images=images,
        captcha=captcha,
        tokens=tokens,
        safety=safety,
        limits=limits,
        statistics=Statistics(store),
        backups=Backups(ledger, compare),
        health=health,
        consumer=consumer,
        synthetic=synthetic,
        checkup=Checkup(health, pressure, consumer, background, synthetic),
        background=background,
        metrics=metrics,
        measuring=measuring,
        meter=meter,
        fair_share=fair_share,
        stopping=stopping,
        terminals=terminals,
        reconciler=reconciler,
        pressure=pressure,
        gate=gate,
        admin_secrets=admin_secrets,
        sharing=sharing,
        pictures=read_pictures(catalog),
        admin_sessions=admin_sessions,
    )
