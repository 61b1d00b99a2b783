"""The study: training methods, runs, measures, statistics."""
