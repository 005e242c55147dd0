"""Studies: many simulations, one question."""
