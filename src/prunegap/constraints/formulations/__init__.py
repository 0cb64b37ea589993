"""One file a formulation; the registry imports every file in this folder."""
