"""The checks: one file each, found by walking this folder. See `audit.runner`."""
