"""What a page says of what was just done; a link names a note by its key, and never brings words of its own."""

from __future__ import annotations

from typing import Final

NOTES: Final[dict[str, str]] = {
    "cancelled": "Cancelled.",
    "asked": "Its worker has been asked to end it.",
    "retried": "It runs again now.",
    "replayed": "Replayed: this is the new job.",
    "discarded": "Discarded.",
    "bulk": "Done. Each job's own page tells what became of it.",
    "paused": "Paused: what runs goes on, and nothing new begins.",
    "resumed": "Resumed.",
    "limited": "The limits are set.",
    "schedule-paused": "Paused: it makes no job until it is resumed.",
    "schedule-resumed": "Resumed: it goes on with its next slot.",
    "ran": "Made now: this is the new job. The slots to come stay as they are.",
    "signed-out": "You are signed out.",
}
