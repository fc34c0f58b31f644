"""Words that are not options: the nearest that is, or pgflow's word for one of Celery's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

TASK_WORDS: Final[Mapping[str, str]] = {
    "rate_limit": "use concurrency= to limit how many run at once in a worker",
    "acks_late": "every job is acknowledged after its run; leave it out",
    "acks_on_failure_or_timeout": "a failed job is retried or kept as a dead letter; leave it out",
    "reject_on_worker_lost": "the job of a lost worker always comes back; leave it out",
    "ignore_result": "results are kept only with keep_result=True",
    "store_errors_even_if_ignored": "errors are always kept; leave it out",
    "track_started": "a running job always shows; leave it out",
    "serializer": "arguments are always JSON; leave it out",
    "compression": "arguments are stored as JSON text; leave it out",
    "retry": "use max_attempts= and retry_policy=, or autoretry_for=",
    "time_limit": "use timeout=",
    "soft_time_limit": "use timeout=",
    "countdown": "use task.options(delay=…)",
    "delay": "use task.options(delay=…)",
    "eta": "use task.options(run_at=…)",
    "run_at": "use task.options(run_at=…)",
    "expires": "use task.options(expires=…)",
    "headers": "use task.options(headers=…)",
    "unique_key": "use task.options(unique_key=…)",
    "throws": "raise JobError(code, message, retryable=False) for an expected end",
    "base": "tasks are functions, not classes; share code by calling it",
    "typing": "arguments are always checked against the signature; leave it out",
    "pydantic": "arguments are always converted as annotated; leave it out",
}

SEND_WORDS: Final[Mapping[str, str]] = {
    "countdown": "use delay=",
    "eta": "use run_at=",
    "retry": "use max_attempts=; an enqueue itself is not retried, since it is part of your transaction",
    "retry_policy": "declare it: @app.task(retry_policy=…)",
    "task_id": "ids are made by pgflow, read job.id; to enqueue once, use unique_key=",
    "idempotency_key": "use unique_key=",
    "rate_limit": "declare concurrency= of the task",
    "time_limit": "use timeout=",
    "soft_time_limit": "use timeout=",
    "ignore_result": "use keep_result=",
    "serializer": "arguments are always JSON; leave it out",
    "compression": "arguments are stored as JSON text; leave it out",
    "connection": "use conn=",
    "producer": "use conn=",
    "routing_key": "use queue=",
    "exchange": "use queue=",
    "link": "enqueue the next job at the end of this one",
    "link_error": "a failed job is kept as a dead letter; look at it there",
    "acks_late": "every job is acknowledged after its run; leave it out",
}

APPLY_WORDS: Final[Mapping[str, str]] = {
    **SEND_WORDS,
    "retry": "an enqueue itself is not retried; use task.options(max_attempts=…) for the runs",
    **{
        word: f"use task.options({word}=…)"
        for word in ("delay", "run_at", "max_attempts", "timeout", "headers", "conn", "keep_result", "unique_key")
    },
}


def strangers(given: Iterable[str], known: Iterable[str], words: Mapping[str, str]) -> str | None:
    """Say what is wrong with the first name that is no option; None where all are."""
    names = sorted(known)
    for name in given:
        if name in names:
            continue
        if name in words:
            return f"{name}= is not an option: {words[name]}"
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}=?" if near else f"there are: {', '.join(names)}"
        return f"{name}= is not an option: {hint}"
    return None
