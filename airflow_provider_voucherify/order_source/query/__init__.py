"""Orders that are the rows of a query, spooled: the one who calls brings the connection."""
