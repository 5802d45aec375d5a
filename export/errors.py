"""What can go wrong with an export, other than with its weights."""


class ExportError(Exception):
    """The wanted graph cannot be had, the file cannot be written, or it failed a check."""
