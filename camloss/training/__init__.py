"""Training: recipes, the loop, optimizers, and the state of an interrupted run."""
