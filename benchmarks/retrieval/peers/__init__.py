"""What runs in the frameworks' own environment; nothing here imports Django or our product."""
