"""Trained things as folders, comparisons, sweeps, analyses and illustrations."""
