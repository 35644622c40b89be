"""One instance, as commands name it and print it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ..connection import Document
from ..domain.models import State
from . import completion
from .output import out, print_fields, print_json
from .progress import wait_told

InstanceId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The instance's id.", autocompletion=completion.instances),
]


def print_instance(instance: Document, as_json: bool) -> None:
    if as_json:
        print_json(instance)
        return
    login, position = instance.get("login"), instance.get("queue_position")
    print_fields(
        {
            "id": instance["id"],
            "distribution": instance["distribution"],
            "url": instance["url"],
            "state": instance["state"],
            "stage": instance["stage"] if State(instance["state"]).pending else None,
            "queue position": str(position) if position else None,
            "ready in": wait_told(instance),
            "reason": instance["reason"],
            "detail": instance["detail"],
            "expires": moment(instance["expires_at"]),
            "sign in": login and login.get("link"),  # once, without a password
            "login": login and login["url"],
            "user": login and login["user"],
            "password": login and login["password"],
        }
        | {name: url for name, url in instance["links"].items() if url}
    )


def moment(stamp: str) -> str:
    """As the server wrote it; on a terminal how far away it is."""
    if not out.is_terminal:
        return stamp
    left = round((datetime.fromisoformat(stamp) - datetime.now(UTC)).total_seconds())
    amount = f"{abs(left)} s" if abs(left) < 120 else f"{abs(left) // 60} min"
    return f"in {amount}" if left >= 0 else f"{amount} ago"
