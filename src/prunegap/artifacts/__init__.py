"""The directories that pass between stages: sealing, checking, and their formats."""
