"""Measures how the phrasing of an agent's context changes the next step a model picks, and what it costs."""
