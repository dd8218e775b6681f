"""Training one network: its settings, its loop, its logs, its metrics."""
