"""One file a formulation; pyproject.toml names each as an entry point, as a user's package does."""
