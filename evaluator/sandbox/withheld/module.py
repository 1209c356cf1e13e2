"""In the place of a module that holds reference data."""

raise ImportError(
    f"{__name__} holds reference data, which no calculator of a benchmark may read; it is left out "
    "of the sandbox."
)
