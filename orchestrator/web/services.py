"""What the web layer is given by the composition root."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ..catalog import Catalog
from ..service.captcha import CaptchaVerifier
from ..service.estimates import Estimates
from ..service.health import Health
from ..service.images import Images
from ..service.launcher import Launcher
from ..service.leases import Leases
from ..service.ledger import Ledger
from ..service.limits import Limits
from ..service.pace import Pace
from ..service.pool import Pool
from ..service.pool_sizes import PoolSizes
from ..service.safety import Safety
from ..service.statistics import Statistics
from ..service.tokens import Tokens
from ..service.waiting import Waiting
from ..settings import Settings
from .security import Gate


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    catalog: Catalog
    ledger: Ledger
    launcher: Launcher
    leases: Leases
    waiting: Waiting
    estimates: Estimates
    pool: Pool
    pool_sizes: PoolSizes
    pace: Pace
    images: Images
    captcha: CaptchaVerifier
    tokens: Tokens
    safety: Safety
    limits: Limits
    statistics: Statistics
    health: Health
    gate: Gate


def services(connection: HTTPConnection) -> Services:
    found: Services = connection.app.state.services
    return found
