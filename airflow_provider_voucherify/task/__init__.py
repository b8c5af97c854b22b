"""What operators and sensor share: waiting, parameters, state, observability."""
