"""From context to an answer whose every citation is verbatim."""
