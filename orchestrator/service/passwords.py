"""Passwords of instances: one of its own for each, never the same twice."""

import secrets

from ..domain.distribution import Distribution


def new_password(distribution: Distribution) -> str | None:
    """None where the distribution's login needs none of its own."""
    login = distribution.login
    return secrets.token_urlsafe(9) if login and login.password_env else None
