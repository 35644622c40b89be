"""Distros: one click to a private, disposable web application on a subdomain of its own."""

from importlib.metadata import version

__version__ = version("distros")
