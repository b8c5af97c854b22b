"""What the engines share: the base of jobs and states, state store, storage, locks, options, Arrow without pandas."""
