"""How far flags can be trusted: reviews, the random sample, bounds, estimates and when to stop."""
