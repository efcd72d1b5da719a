"""Every test run has a home of its own, off the network."""

from __future__ import annotations

import os
import tempfile

os.environ["FORETUNE_HOME"] = tempfile.mkdtemp(prefix="foretune-tests-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
