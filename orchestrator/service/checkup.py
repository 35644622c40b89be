"""All that `/readyz` and the admin page tell of the service's health.

Engine, proxy and store decide whether a launch is tried at all (`health.py`). Beside them: whether
the engine's events are followed, whether every loop runs, and whether the latest synthetic launches
have worked. These refuse nobody: they say that an operator should look. A disk or a memory that is
short refuses what the pool has not.
"""

from .background import Background
from .consumer import Consumer
from .health import Check, Health
from .pressure import Pressure
from .synthetic import Synthetic


class Checkup:
    def __init__(
        self,
        health: Health,
        pressure: Pressure,
        consumer: Consumer,
        background: Background,
        synthetic: Synthetic,
    ) -> None:
        self._health = health
        self._pressure = pressure
        self._consumer = consumer
        self._background = background
        self._synthetic = synthetic

    async def checks(self) -> tuple[Check, ...]:
        """Within a second."""
        return (
            *await self._health.checks(),
            await self._pressure.check(),
            self._consumer.check(),
            Check("loops", self._background.trouble()),
            self._synthetic.record.check(),
        )
