"""How versions stand: progress, what they wait for, and how it is told."""
