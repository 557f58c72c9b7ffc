"""Tests, by app; contracts/ holds one suite per seam, journeys/ runs real processes."""
