"""Showing twins: what the page and its API answer."""
