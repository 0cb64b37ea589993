"""The epoch loop, fine-tuning and checkpoints."""
