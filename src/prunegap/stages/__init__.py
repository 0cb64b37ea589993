"""One file a stage; contract.py is their floor."""
