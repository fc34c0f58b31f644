"""Signs deliveries as the Standard Webhooks specification, version 1, has it (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "whsec_"
SHORTEST_BYTES: Final = 24
LONGEST_BYTES: Final = 64
SECRETS_ARE: Final = f"use {PREFIX} and the base64 of {SHORTEST_BYTES} to {LONGEST_BYTES} random bytes"


def headers(secrets: Iterable[str], delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the headers of a delivery; the signature has a part for each secret. `timestamp`: seconds since 1970."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    parts = [f"v1,{base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()}" for secret in secrets]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(parts),
    }


def new_secret() -> str:
    """Make a secret."""
    return f"{PREFIX}{base64.b64encode(random.token_bytes(SHORTEST_BYTES)).decode()}"


def is_secret(text: str) -> bool:
    """Say whether a text can be signed with, and is long enough to be worth it."""
    try:
        return text.startswith(PREFIX) and SHORTEST_BYTES <= len(_key(text)) <= LONGEST_BYTES
    except binascii.Error:
        return False


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError as error:  # a text that is no ASCII, too
        raise binascii.Error(str(error)) from None
