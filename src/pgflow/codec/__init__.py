"""Arguments and results as JSON text, there and back; it knows nothing of the database."""

from __future__ import annotations

from pgflow.codec.calls import CallCheck
from pgflow.codec.decode import BadPayloadError, Decoder
from pgflow.codec.encode import clean_text, encode_arguments, encode_value

__all__ = ["BadPayloadError", "CallCheck", "Decoder", "clean_text", "encode_arguments", "encode_value"]
