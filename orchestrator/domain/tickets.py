"""Addresses that let an instance's owner in; its image checks them with the instance's password."""

import hmac


def one_time_path(link: str, password: str) -> str:
    """The `login.link` with its key, which signs in once."""
    return f"{link}?key={_digest(password, 'login')}"


def database_path(page: str, password: str, until: int) -> str:
    """The `database` with a ticket that is good until then (Unix time)."""
    seal = _digest(_digest(password, "database"), str(until))
    return f"{page}?ticket={until}-{seal}"


def _digest(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
