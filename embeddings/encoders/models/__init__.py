"""The families whose weights are in this process."""
