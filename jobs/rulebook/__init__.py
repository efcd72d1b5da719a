"""What makes a job valid. Plain Python: no Django, no torch, no input or output."""

from . import rules as _rules  # noqa: F401  (importing them fills the book)
from .engine import RULES, check
from .findings import Action, Finding, Fix, Report, Severity
from .reading import Choices, read
from .settings_table import SETTINGS

__all__ = ["RULES", "SETTINGS", "Action", "Choices", "Finding", "Fix", "Report", "Severity", "check", "read"]
