"""Methods without constraints, one file a method; pyproject.toml names each as an entry point, as a user's does."""
