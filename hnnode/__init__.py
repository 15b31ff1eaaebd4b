"""hnnode: one program that runs every chain of the province."""

__version__ = "0.1.0"
