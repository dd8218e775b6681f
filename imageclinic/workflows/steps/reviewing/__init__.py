"""What runs beside a review."""
