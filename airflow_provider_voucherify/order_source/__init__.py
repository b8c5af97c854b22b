"""Where orders come from: a stream of checked orders that know their position."""
