"""What a page does, as a request to be copied, for curl."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk


def as_curl(desk: Desk, job: Any) -> str:
    """Give the request that enqueues a job like this one; what is masked stays masked. The token stays a variable."""
    payload = job.args if job.args and not job.kwargs else job.kwargs
    body = {"queue": job.queue, "job_type": job.task, "payload_json": payload, "max_attempts": job.max_attempts}
    lines = [f"curl -s -X POST {shlex.quote(origin(desk) + '/jobs')}", "-H 'content-type: application/json'"]
    if desk.app.settings.api_token is not None:
        lines.append('-H "x-api-key: $PGFLOW_API_TOKEN"')
    return " \\\n  ".join([*lines, f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"])


def origin(desk: Desk) -> str:
    """Give the admin's address as this request was sent to it, without a slash at its end."""
    scheme = "https" if desk.secure else "http"
    return f"{scheme}://{desk.headers.get('host', 'localhost')}{desk.mount}"
