"""Images → vectors."""
