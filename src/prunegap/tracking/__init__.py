"""MLflow behind a small protocol."""
