"""What became of the orders: reject files, summary, progress, HTML report."""
