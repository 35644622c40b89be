"""What the web layer is given by the composition root."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ..catalog import Catalog
from ..engine.base import Engine
from ..service.availability import Availability
from ..service.health import Health
from ..service.launcher import Launcher
from ..service.leases import Leases
from ..service.ledger import Ledger
from ..settings import Settings
from .security import Gate


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    catalog: Catalog
    engine: Engine
    ledger: Ledger
    launcher: Launcher
    leases: Leases
    health: Health
    availability: Availability
    gate: Gate


def services(connection: HTTPConnection) -> Services:
    found: Services = connection.app.state.services
    return found
