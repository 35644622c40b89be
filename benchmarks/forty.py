"""`python -m benchmarks.forty FOLDER`: the service on fakes with forty distributions, and the files
in FOLDER/static below `/same-size`. It prints its port."""

import asyncio
import sys
from pathlib import Path

import structlog
import uvicorn
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

from orchestrator.cli.serving import OPTIONS, listen
from orchestrator.service.readiness import Answer
from tests.forty import forty, let_everything_be_known
from tests.support import running


async def serve(folder: Path) -> None:
    catalog = forty(folder / "distributions")
    welcome = " ".join(each.readiness.text or "" for each in catalog)
    async with running(folder, catalog=catalog, captcha="altcha") as world:
        world.probe.site = lambda instance_id: Answer(200, marker=instance_id, text=welcome)
        await let_everything_be_known(world)
        same_size = Mount("/same-size", StaticFiles(directory=folder / "static"))
        application = Router([same_size, Mount("/", world.app)])
        config = uvicorn.Config(application, **OPTIONS | {"lifespan": "off"})
        listening = listen("127.0.0.1", 0)
        print(listening.getsockname()[1], flush=True)
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    asyncio.run(serve(Path(sys.argv[1])))
