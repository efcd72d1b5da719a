"""All rules, one module per subject. Importing this package registers them."""

from . import numbers, required, specification  # noqa: F401
