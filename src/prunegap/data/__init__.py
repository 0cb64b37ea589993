"""Grouped data as packed tensors, resident on the device, and its augmentation."""
