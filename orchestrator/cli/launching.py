"""`launch`, `wait`, `follow`: an instance from its launch to a ready site, and on to its end."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import typer

from ..client import Client, WaitedTooLong
from ..connection import Document
from ..domain.models import State
from . import completion
from .browser import open_in_browser
from .duration import duration
from .environment import connect
from .errors import Failure
from .follow import ending_of, follow_to_the_end
from .instance import InstanceId, print_instance
from .output import AsJson, complain, note, print_json
from .progress import Progress

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


Open = Annotated[
    bool, typer.Option("--open", help="Open the site in the browser once it is ready, signed in.")
]


def launch(
    slug: Annotated[
        str,
        typer.Argument(
            metavar="SLUG",
            help="Which distribution; see `catalog list`.",
            autocompletion=completion.distributions,
        ),
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
    open_site: Open = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait, then show its clock until it ends.")
    ] = False,
    timeout: Timeout = TEN_MINUTES,
    as_json: AsJson = False,
) -> None:
    """Launch an instance and print it.

    With --wait the command ends once the site answers, or with exit code 1 if the launch fails or
    takes longer than --timeout. The instance is printed in any case. --open and --follow wait, too;
    for --follow see `distros follow`.
    """
    seconds = None if lifetime is None else round(lifetime.total_seconds())
    with connect() as client:
        instance = client.launch(slug, name=name, lifetime=seconds)
        if not (wait or open_site or follow):
            print_instance(instance, as_json)
            return
        instance = _wait(client, instance, timeout, as_json)
        if open_site:
            open_in_browser(instance)
        if follow:
            _follow(client, instance, as_json)


def wait(
    instance_id: InstanceId,
    open_site: Open = False,
    timeout: Timeout = TEN_MINUTES,
    as_json: AsJson = False,
) -> None:
    """Wait until an instance's site answers, and print the instance.

    Exit code 1 if its launch fails or takes longer than --timeout.
    """
    with connect() as client:
        instance = _wait(client, client.instance(instance_id), timeout, as_json)
    if open_site:
        open_in_browser(instance)


def follow(
    instance_id: InstanceId, timeout: Timeout = TEN_MINUTES, as_json: AsJson = False
) -> None:
    """Wait until a site answers, then show its clock until it ends, and say how it has ended.

    On a terminal the key r renews it. Ctrl-C leaves the command and the site as it is. Exit code 0
    if it has lived as planned or was deleted, 1 if it has crashed, say. With --json the instance is
    printed twice: ready, and at its end.
    """
    with connect() as client:
        instance = client.instance(instance_id)
        if State(instance["state"]).pending:
            instance = _wait(client, instance, timeout, as_json)
        else:
            print_instance(instance, as_json)
        _follow(client, instance, as_json)


def _follow(client: Client, instance: Document, as_json: bool) -> None:
    ended = follow_to_the_end(client, instance)
    sentence, code = ending_of(ended)
    if as_json:
        print_json(ended)
    if code:
        complain(sentence, f"`distros logs {ended['id']}` shows its output.")
    else:
        note(sentence)
    raise typer.Exit(code)


def _wait(client: Client, instance: Document, timeout: timedelta, as_json: bool) -> Document:
    """Prints the instance however it ends, so that whoever launched it can delete it."""
    try:
        for changed in _changes(client, instance, timeout):
            instance = changed
    finally:
        print_instance(instance, as_json)
    _require_ready(instance)
    return instance


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
