"""From CSV text to Arrow tables."""
