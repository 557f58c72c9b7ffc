"""How well retrieval finds the right articles, measured on questions with known answers."""
