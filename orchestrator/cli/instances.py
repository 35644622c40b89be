"""`list`, `show`, `renew`, `delete`, `logs`: instances, on a server."""

from typing import Annotated

import typer

from ..connection import Refused
from . import completion
from .environment import connect
from .errors import ExitCode, failure_of
from .instance import InstanceId, moment, print_instance
from .output import AsJson, complain, print_json, print_table, say


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
            (one["id"], one["distribution"], one["state"], moment(one["expires_at"]), one["url"])
            for one in instances
        ],
        empty="No instance lives now.",
    )


def show(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Show one instance."""
    with connect() as client:
        print_instance(client.instance(instance_id), as_json)


def renew(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Give an instance its whole lifetime again, within the maximum."""
    with connect() as client:
        print_instance(client.renew(instance_id), as_json)


def delete(
    instance_ids: Annotated[
        list[str],
        typer.Argument(metavar="ID", help="Instances' ids.", autocompletion=completion.instances),
    ],
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
