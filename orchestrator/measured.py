"""The engine and the store, with every call measured; they know nothing of it."""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .domain.errors import DistrosError
from .domain.outages import StoreUnavailable
from .engine.base import Engine
from .metrics import Metrics
from .store.base import Store

T = TypeVar("T")
Tell = Callable[[str, float, Exception | None], None]  # the call's name, its seconds, its failure


def measured_engine(engine: Engine, metrics: Metrics) -> Engine:
    def tell(call: str, seconds: float, failure: Exception | None) -> None:
        metrics.observe("engine_call_seconds", seconds, call)
        if failure is not None:
            code = failure.code if isinstance(failure, DistrosError) else DistrosError.code
            metrics.count("engine_failures", call, code)

    return _measured(engine, tell)


def measured_store(store: Store, metrics: Metrics) -> Store:
    def tell(call: str, seconds: float, failure: Exception | None) -> None:
        if isinstance(failure, StoreUnavailable):
            metrics.count("store_failures", call)

    return _measured(store, tell)


def _measured(of: T, tell: Tell) -> T:
    return cast(T, _Measured(of, tell))


class _Measured:
    """Streams are passed on as they are: they last as long as they last."""

    def __init__(self, of: Any, tell: Tell) -> None:
        self._of = of
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        async def call(*args: Any, **named: Any) -> Any:
            began = time.monotonic()
            failure: Exception | None = None
            try:
                return await found(*args, **named)
            except Exception as error:
                failure = error
                raise
            finally:
                self._tell(name, time.monotonic() - began, failure)

        return call
