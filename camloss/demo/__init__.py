"""Showing pair: what the page and its API answer."""
