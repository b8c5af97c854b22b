"""What the engines share: state store, storage, validation."""
