"""Decisions: launching, readiness, endings, the reaper."""
