"""`differences`: on what engine, store and proxy do not agree."""

from .environment import connect
from .output import AsJson, print_json, print_table

_COLUMNS = ("engine", "store", "proxy", "since", "reason", "repair")


def differences(as_json: AsJson = False) -> None:
    """List on what engine, store and proxy did not agree when they were last compared.

    They are compared every 40 s, and each difference is repaired: REASON says what is wrong,
    REPAIR what is done.
    """
    with connect() as client:
        document = client.differences()
    if as_json:
        print_json(document)
        return
    print_table(
        ("KIND", "CONTAINER", *(name.upper() for name in _COLUMNS)),
        [
            (
                each["kind"],
                each["container"] or each["instance"] or "",
                *(each[name] for name in _COLUMNS),
            )
            for each in document["differences"]
        ],
        empty="Engine, store and proxy agree.",
    )
