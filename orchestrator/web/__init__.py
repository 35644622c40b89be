"""Pages, API and event streams."""
