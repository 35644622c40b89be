"""Logging: structlog for everything, the libraries' lines included.

JSON unless standard output is a terminal. Every line of a request carries `request`, every line of
a launch `instance` as well, because tasks inherit their parent's context.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import EventDict, Processor

# What ends a line or is obeyed by a terminal, in whatever strangers send.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def visible(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Control characters in values, as Python writes them: nobody can forge a line."""
    for key, value in event.items():
        if isinstance(value, str) and CONTROLS.search(value):
            event[key] = CONTROLS.sub(lambda found: ascii(found[0])[1:-1], value)
    return event


SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    visible,
)
# A traceback shows no values: among those of a request's frames there are cookies and tokens.
_AS_DOCUMENT = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
_AS_TEXT = structlog.dev.RichTracebackFormatter(show_locals=False)
QUIET = ("alembic", "httpx", "httpcore", "uvicorn.access", "sse_starlette", "urllib3", "docker")


def configure(log_format: Literal["auto", "json", "console"], level: str) -> None:
    console = log_format == "console" or (log_format == "auto" and sys.stdout.isatty())
    rendering: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=_AS_TEXT)]
        if console
        else [_AS_DOCUMENT, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
