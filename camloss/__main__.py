"""`python -m camloss` is `camloss`."""

import sys

from camloss.commands import main

sys.exit(main())
