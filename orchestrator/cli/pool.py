"""`pool`: what is started and ready before anybody asks."""

from .environment import connect
from .output import AsJson, print_json, print_table


def pool(as_json: AsJson = False) -> None:
    """List the distributions that have a pool: how many are ready, starting, and wanted.

    WANTED follows demand and free memory, between MIN and MAX.
    """
    with connect() as client:
        stocks = client.pool()
    if as_json:
        print_json(stocks)
        return
    columns = ("ready", "starting", "target", "min", "max")
    print_table(
        ("DISTRIBUTION", "READY", "STARTING", "WANTED", "MIN", "MAX"),
        [(each["distribution"], *(str(each[name]) for name in columns)) for each in stocks],
        empty="No distribution has a pool: set `pool` in its distribution.toml, or DISTROS_POOLS.",
    )
