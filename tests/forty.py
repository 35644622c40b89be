"""A catalogue of forty distributions with pictures, as a large site has one."""

import random
import re
import shutil
from itertools import cycle
from pathlib import Path

from orchestrator.catalog import Catalog, load_catalog
from orchestrator.domain.distribution import Distribution
from orchestrator.settings import ROOT
from tests.support import ADMIN, World

WORDS = sorted(set(re.findall(r"[A-Za-z]{2,}", (ROOT / "docs" / "reliability.md").read_text())))


def forty(folder: Path) -> Catalog:
    """Those that come along, again and again under other names; their pictures go into `folder`."""
    real = ROOT / "distributions"
    made = []
    for number, each in zip(range(40), cycle(load_catalog(real).listed()), strict=False):
        made.append(_another(each, number))
        picture = real / each.slug / "screenshot.webp"
        own = folder / made[-1].slug
        own.mkdir(parents=True)
        if picture.exists():
            shutil.copy(picture, own)
    return Catalog(made, folder)


def _another(distribution: Distribution, number: int) -> Distribution:
    """What it says of itself is drawn by lot: forty that are much alike would compress better than
    real ones."""
    chance = random.Random(number)
    told = {
        "slug": f"{distribution.slug}-{number}",
        "name": f"{distribution.name} {number}",
        "summary": " ".join(chance.sample(WORDS, 14)),
        "inside": tuple(" ".join(chance.sample(WORDS, 4)) for _ in range(5)),
    }
    return distribution.model_copy(update=told)


async def let_everything_be_known(world: World) -> None:
    """Every card says all that a card can say."""
    for each in world.services.catalog:
        world.engine.host.images[each.image.ref] = {}
    await world.services.images.look()
    for each in world.services.catalog:
        instance = await world.launched(ADMIN, each.slug)
        await world.services.leases.delete(ADMIN, instance.id)
        await world.ended(instance.id)
