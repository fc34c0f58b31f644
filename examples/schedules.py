"""Schedules: one declared on its task and fired by a worker, and one that is stored, paused and run by hand."""

from __future__ import annotations

import anyio

from pgflow import App
from pgflow.plugins.cron import cron, every
from pgflow.plugins.cron.schedules import Schedules
from pgflow.plugins.cron.timing import zone_of

app = App("schedules")
pulses: list[str] = []


@app.task(schedule=every(seconds=1, args=["a pulse"]))
async def pulse(what: str) -> None:
    pulses.append(what)


@app.task(keep_result=True)
async def report(city: str) -> str:
    return f"the report of {city}"


async def work_for_two_pulses() -> None:
    worker = app.worker()
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        with anyio.fail_after(30):
            while len(pulses) < 2:
                await anyio.sleep(0.05)
        worker.stop()


def main() -> None:
    schedules = Schedules(app)
    noon = cron("0 12 * * MON-FRI", tz="Europe/Paris", args=["Paris"], misfire_grace=600, jitter=30)
    stored, _ = schedules.put("noon", report.name, noon)
    times = {f"{slot.astimezone(zone_of(stored.tz)):%H:%M}" for slot in stored.upcoming}
    print(f"the next {len(stored.upcoming)} reports come at {', '.join(times)}")

    schedules.pause("noon", reason="the office is closed")
    job = app.job(schedules.run("noon"))  # by hand, paused or not

    anyio.run(work_for_two_pulses)
    print(f"{pulses[0]}, and {pulses[1]}")
    print(job.wait(timeout=10))

    row = schedules.get("noon")
    print(f"noon: paused ({row.paused_reason}), {row.fired} slots fired")
    schedules.remove("noon")
    app.close()


if __name__ == "__main__":
    main()
