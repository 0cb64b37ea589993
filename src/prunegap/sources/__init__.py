"""Readers of images, tables, torchvision files and s3:// objects."""
