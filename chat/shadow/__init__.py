"""Shadow mode: a share of the live questions is asked of a candidate too, and compared."""
