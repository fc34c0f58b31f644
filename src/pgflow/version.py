"""The version, alone, so that the build and every layer can read it."""

__version__ = "0.1.0"
