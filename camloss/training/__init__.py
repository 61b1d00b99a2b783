"""Making pair: the recipe, the loop, and what is measured of the result."""
