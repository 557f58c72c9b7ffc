"""The encoder server: one process holds the weights for web, workers and whoever asks."""
