"""`python -m camloss` is `camloss`."""

from camloss.commands import run

run()
