"""What the jobs that load orders into Voucherify share: the way from a source to the outcome of each order."""
