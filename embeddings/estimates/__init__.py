"""What a re-embedding will take, before it is started."""
