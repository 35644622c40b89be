"""An example, or some, for each command: what its --help ends with."""

from typing import Final

import typer

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "serve": ("DISTROS_SECRET_KEY=… distros serve",),
    "launch": (
        "distros launch dokuwiki --name team-notes --open",
        "distros launch mediawiki --lifetime 2h --follow",
        "distros launch dokuwiki --wait --json | jq -r .url",
    ),
    "wait": ("distros wait k3v9x2m4p7qa --timeout 90s && echo ready",),
    "follow": ("distros follow k3v9x2m4p7qa",),
    "list": ("distros list", "distros list | cut -f 5"),
    "show": ("distros show k3v9x2m4p7qa", "distros show k3v9x2m4p7qa --json | jq -r .login.link"),
    "renew": ("distros renew k3v9x2m4p7qa",),
    "delete": (
        "distros delete k3v9x2m4p7qa",
        "distros list | cut -f 1 | xargs distros delete",
    ),
    "logs": ("distros logs k3v9x2m4p7qa | tail -n 20",),
    "pool": ("distros pool",),
    "takedown": (
        "distros takedown --instance k3v9x2m4p7qa --reason 'It sent spam.' --ban",
        "distros takedown --address 203.0.113.7",
    ),
    "ban": ("distros ban --address 203.0.113.7 --reason 'It mines.'",),
    "unban": ("distros unban 7f3a",),
    "bans": ("distros bans",),
    "pause": ("distros pause --reason 'We are moving, back at noon.'",),
    "resume": ("distros resume",),
    "audit": ("distros audit", "distros audit --json | jq '.[] | select(.result != \"ok\")'"),
    "differences": ("distros differences",),
    "backup": ("distros backup", "distros backup - | age -r … > distros.age"),
    "restore": ("distros restore distros-20261125-194000.db",),
    "doctor": ("distros doctor", "distros doctor --json | jq '.[] | select(.verdict != \"ok\")'"),
    "version": ("distros version --json",),
    "catalog screenshots": ("distros catalog screenshots dokuwiki",),
    "catalog list": ("distros catalog list",),
    "catalog check": ("distros catalog check", "distros catalog check ./distributions"),
    "images list": ("distros images list",),
    "images build": ("distros images build --missing", "distros images build dokuwiki --verbose"),
    "images pull": ("distros images pull --missing",),
    "images scan": ("distros images scan dokuwiki",),
    "token show": ("export DISTROS_TOKEN=$(distros token show)",),
    "token create": ("distros token create --name ci --expires 90d",),
    "token list": ("distros token list",),
    "token revoke": ("distros token revoke 7f3a",),
    "admin password": ("distros admin password --write",),
}


def give_examples(app: typer.Typer, above: str = "") -> None:
    """Each command's help ends with its own."""
    for command in app.registered_commands:
        assert command.callback is not None
        lines = EXAMPLES.get(above + (command.name or command.callback.__name__), ())
        heading = "Example:" if len(lines) == 1 else "Examples:"
        if lines:
            command.epilog = "\b\n" + "\n".join([heading, *(f"  {line}" for line in lines)])
    for group in app.registered_groups:
        assert group.typer_instance is not None
        give_examples(group.typer_instance, f"{above}{group.name} ")
