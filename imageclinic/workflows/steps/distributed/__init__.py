"""Steps of an audit on the workers of an engine."""
