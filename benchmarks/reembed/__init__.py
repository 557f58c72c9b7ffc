"""What re-embedding costs those who ask meanwhile, and how fast it is."""
