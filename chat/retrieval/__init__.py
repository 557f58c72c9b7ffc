"""From a question to grounded context: the one path for every door of the product."""
