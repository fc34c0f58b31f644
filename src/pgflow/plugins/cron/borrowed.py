"""Names that `pgflow.admin` is to export; then this file goes."""

from __future__ import annotations

from pgflow.codec import encode_value
from pgflow.redact import redacted, redacted_args, redacted_text

__all__ = ["encode_value", "redacted", "redacted_args", "redacted_text"]
