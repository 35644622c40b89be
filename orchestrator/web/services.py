"""What the web layer is given by the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ..catalog import Catalog
from ..pictures import Picture
from ..service.estimates import Estimates
from ..service.health import Health
from ..service.images import Images
from ..service.launcher import Launcher
from ..service.leases import Leases
from ..service.ledger import Ledger
from ..service.pace import Pace
from ..service.pool import Pool
from ..service.pool_sizes import PoolSizes
from ..service.statistics import Statistics
from ..service.verified import Verified
from ..service.waiting import Waiting
from ..settings import Settings
from .security import Gate
from .sharing import Sharing


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
    verified: Verified
    images: Images
    statistics: Statistics
    health: Health
    gate: Gate
    sharing: Sharing
    pictures: Mapping[str, Picture]


def services(connection: HTTPConnection) -> Services:
    found: Services = connection.app.state.services
    return found
