"""From columns and values of a source to the fields of an order."""
