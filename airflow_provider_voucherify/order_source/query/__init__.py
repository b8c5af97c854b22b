"""Read orders from the rows of a query, which are spooled to files. The caller brings the connection."""
