"""How a version is filled: claim, encode, store, at its pace, until it is ready."""
