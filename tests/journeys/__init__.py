"""Journeys with real processes: workers, beat and web beside the test, killed without mercy."""
