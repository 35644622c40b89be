"""`launch`, `wait`, `list`, `show`, `renew`, `delete`, `logs`: instances, on a server."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ..client import Client, Document, Refused, WaitedTooLong
from ..domain.distribution import seconds_of
from ..domain.models import State
from .environment import connect
from .errors import ExitCode, Failure, failure_of
from .output import AsJson, complain, note, out, print_fields, print_json, print_table, say
from .progress import Progress, wait_told


def duration(text: str) -> timedelta:
    try:
        value = seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"“{text}” {error}.") from error
    assert isinstance(value, timedelta)
    return value


Timeout = Annotated[
    timedelta,
    typer.Option(
        metavar="TIME",
        parser=duration,
        show_default=False,
        help="How long to wait, at most; 10m if nothing is said.",
    ),
]
TEN_MINUTES = timedelta(minutes=10)
InstanceId = Annotated[str, typer.Argument(metavar="ID", help="The instance's id.")]


def launch(
    slug: Annotated[
        str, typer.Argument(metavar="SLUG", help="Which distribution; see `catalog list`.")
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Site name; becomes the first part of the subdomain."),
    ] = None,
    lifetime: Annotated[
        timedelta | None,
        typer.Option(
            metavar="TIME", parser=duration, help="Such as 60s, 40m, 2h; else the usual one."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the site answers.")] = False,
    timeout: Timeout = TEN_MINUTES,
    as_json: AsJson = False,
) -> None:
    """Launch an instance and print it.

    With --wait the command ends once the site answers, or with exit code 1 if the launch fails or
    takes longer than --timeout. The instance is printed in any case.
    """
    seconds = None if lifetime is None else round(lifetime.total_seconds())
    with connect() as client:
        instance = client.launch(slug, name=name, lifetime=seconds)
        if wait:
            _wait(client, instance, timeout, as_json)
        else:
            _print(instance, as_json)


def wait(instance_id: InstanceId, timeout: Timeout = TEN_MINUTES, as_json: AsJson = False) -> None:
    """Wait until an instance's site answers, and print the instance.

    Exit code 1 if its launch fails or takes longer than --timeout.
    """
    with connect() as client:
        _wait(client, client.instance(instance_id), timeout, as_json)


def _wait(client: Client, instance: Document, timeout: timedelta, as_json: bool) -> None:
    """Prints the instance however it ends, so that whoever launched it can delete it."""
    try:
        for changed in _changes(client, instance, timeout):
            instance = changed
    finally:
        _print(instance, as_json)
    _require_ready(instance)


def wait_until_ready(client: Client, instance: Document, timeout: timedelta) -> Document:
    """Raises Failure where its launch fails, or takes longer."""
    for changed in _changes(client, instance, timeout):
        instance = changed
    _require_ready(instance)
    return instance


def _require_ready(instance: Document) -> None:
    if instance["state"] != State.READY:
        why = instance["detail"] or f"It is {instance['state']} ({instance['reason']})."
        raise Failure(
            f"the launch failed. {why}", hint=f"`distros logs {instance['id']}` shows its output."
        )


def _changes(client: Client, instance: Document, timeout: timedelta) -> Iterator[Document]:
    """Until it is ready, or has ended."""
    deadline = time.monotonic() + timeout.total_seconds()
    try:
        with Progress() as progress:
            for changed in client.changes(instance["id"], deadline=deadline):
                instance = changed
                yield instance
                progress.show(instance)
                state = State(instance["state"])
                if not (state.pending or state is State.STOPPING):
                    return
    except WaitedTooLong as error:
        raise Failure(
            f"{instance['id']} is still {instance['state']} after {timeout.total_seconds():g} s.",
            hint=f"The launch goes on: `distros show {instance['id']}`.",
        ) from error
    except KeyboardInterrupt:
        note(f"The launch goes on; `distros delete {instance['id']}` ends it.")
        raise


def list_instances(as_json: AsJson = False) -> None:
    """List the instances that live now, oldest first."""
    with connect() as client:
        instances = client.instances()
    if as_json:
        print_json(instances)
        return
    print_table(
        ("ID", "DISTRIBUTION", "STATE", "EXPIRES", "URL"),
        [
            (one["id"], one["distribution"], one["state"], _moment(one["expires_at"]), one["url"])
            for one in instances
        ],
        empty="No instance lives now.",
    )


def show(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Show one instance."""
    with connect() as client:
        _print(client.instance(instance_id), as_json)


def renew(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Give an instance its whole lifetime again, within the maximum."""
    with connect() as client:
        _print(client.renew(instance_id), as_json)


def delete(
    instance_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Instances' ids.")],
    as_json: AsJson = False,
) -> None:
    """Delete instances.

    One that cannot be deleted does not keep the others; the exit code is the last failure's.
    """
    deleted, code = [], ExitCode.OK
    with connect() as client:
        for instance_id in instance_ids:
            try:
                client.delete(instance_id)
            except Refused as error:
                failure = failure_of(error)
                assert failure is not None
                complain(failure.message, failure.hint)
                code = failure.code
            else:
                deleted.append(instance_id)
                if not as_json:
                    say(f"{instance_id} is deleted.")
    if as_json:
        print_json({"deleted": deleted})
    raise typer.Exit(code)


def logs(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Print an instance's output; kept for a while after it is gone."""
    with connect() as client:
        log = client.logs(instance_id)
    if as_json:
        print_json({"id": instance_id, "log": log})
    else:
        typer.echo(log, nl=False)


def _print(instance: Document, as_json: bool) -> None:
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
            "expires": _moment(instance["expires_at"]),
            "sign in": login and login.get("link"),  # once, without a password
            "login": login and login["url"],
            "user": login and login["user"],
            "password": login and login["password"],
        }
        | {name: url for name, url in instance["links"].items() if url}
    )


def _moment(stamp: str) -> str:
    """As the server wrote it; on a terminal how far away it is."""
    if not out.is_terminal:
        return stamp
    left = round((datetime.fromisoformat(stamp) - datetime.now(UTC)).total_seconds())
    amount = f"{abs(left)} s" if abs(left) < 120 else f"{abs(left) // 60} min"
    return f"in {amount}" if left >= 0 else f"{amount} ago"
