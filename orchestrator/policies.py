"""What the settings and this machine say, as the parts that decide want to be told."""

import psutil

from .domain.fair_share import Machine
from .domain.limits import Allowance
from .service.limits import LimitPolicy
from .service.take_away import TakeAwayPolicy
from .service.terminals import TerminalPolicy
from .settings import Settings


def limit_policy(settings: Settings) -> LimitPolicy:
    return LimitPolicy(
        Allowance(
            {
                "visitor": settings.launches_per_visitor,
                "address": settings.launches_per_address,
                "network": settings.launches_per_network,
            },
            {
                "visitor": settings.instances_per_visitor,
                "address": settings.instances_per_address,
            },
        ),
        launches_per_token=settings.launches_per_token,
        instances_per_token=settings.instances_per_token,
        streams_per_visitor=settings.streams_per_visitor,
        streams_per_address=settings.streams_per_address,
    )


def take_away_policy(settings: Settings) -> TakeAwayPolicy:
    return TakeAwayPolicy(
        settings.take_aways,
        int(settings.take_away_size),
        settings.take_away_deadline.total_seconds(),
    )


def terminal_policy(settings: Settings) -> TerminalPolicy:
    return TerminalPolicy(
        settings.terminals,
        {"visitor": settings.terminals_per_visitor, "address": settings.terminals_per_address},
        settings.terminal_idle,
    )


def this_machine() -> Machine:
    """The engine's too; its load since it was asked for last."""
    return Machine(psutil.cpu_count() or 1, psutil.cpu_percent() / 100)


def available_memory() -> int:
    """Bytes on this machine, which is the engine's; a container sees the machine's figures too."""
    return int(psutil.virtual_memory().available)
