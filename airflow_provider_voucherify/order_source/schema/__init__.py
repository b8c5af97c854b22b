"""The fields of an order, their types, and what an order touches besides itself."""
