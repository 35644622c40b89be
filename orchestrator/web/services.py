"""What the web layer is given by the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ..catalog import Catalog
from ..metrics import Metrics
from ..pictures import Picture
from ..service.admin_secrets import AdminSecrets
from ..service.background import Background
from ..service.backups import Backups
from ..service.captcha import CaptchaVerifier
from ..service.checkup import Checkup
from ..service.consumer import Consumer
from ..service.estimates import Estimates
from ..service.fair_share import FairShare
from ..service.health import Health
from ..service.images import Images
from ..service.launcher import Launcher
from ..service.leases import Leases
from ..service.ledger import Ledger
from ..service.limits import Limits
from ..service.measuring import Measuring
from ..service.meter import Meter
from ..service.pace import Pace
from ..service.pool import Pool
from ..service.pool_sizes import PoolSizes
from ..service.pressure import Pressure
from ..service.reconciler import Reconciler
from ..service.safety import Safety
from ..service.statistics import Statistics
from ..service.stopping import Stopping
from ..service.synthetic import Synthetic
from ..service.take_away import TakeAways
from ..service.terminals import Terminals
from ..service.tokens import Tokens
from ..service.verified import Verified
from ..service.waiting import Waiting
from ..settings import Settings
from .security import Gate
from .sessions import AdminSessions
from .sharing import Sharing


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    catalog: Catalog
    ledger: Ledger
    launcher: Launcher
    leases: Leases
    take_aways: TakeAways
    waiting: Waiting
    estimates: Estimates
    pool: Pool
    pool_sizes: PoolSizes
    pace: Pace
    verified: Verified
    images: Images
    captcha: CaptchaVerifier
    tokens: Tokens
    safety: Safety
    limits: Limits
    statistics: Statistics
    backups: Backups
    health: Health
    consumer: Consumer
    synthetic: Synthetic
    checkup: Checkup
    background: Background
    metrics: Metrics
    measuring: Measuring
    meter: Meter
    fair_share: FairShare
    stopping: Stopping
    terminals: Terminals
    reconciler: Reconciler
    pressure: Pressure
    gate: Gate
    admin_secrets: AdminSecrets
    sharing: Sharing
    pictures: Mapping[str, Picture]
    admin_sessions: AdminSessions


def services(connection: HTTPConnection) -> Services:
    found: Services = connection.app.state.services
    return found
