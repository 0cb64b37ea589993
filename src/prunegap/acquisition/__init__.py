"""Where a dense model's weights come from."""
