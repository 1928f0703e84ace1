"""What every other package stands on: errors, files and random numbers."""
