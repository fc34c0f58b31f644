"""Plays one scenario: server, fleet and load; warm-up, faults, recovery, drain, and the check of what is left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from chaos import checker, ledger, measure, tasks
from chaos.fleet import python_path
from chaos.report import Result
from chaos.stage import Stage
from pgflow.store import buckets
from pgflow.store.admin import act
from pgflow.store.admin.audit import Scope, audit
from pgflow.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaos.scenario import Scenario

OVERHEAD_SECONDS = 14.0
LEAST_LOAD_SECONDS = 10.0
WARM_SECONDS = 2.0
FIRST_JOBS_SECONDS = 60.0
WINDOW_JOBS = 60
LEAVE_SECONDS = 60.0
OVERTIME_SECONDS = 150.0
ORDERS = "create table orders (token text primary key, job_id uuid not null)"


class Limits(NamedTuple):
    """What is demanded once faults have ended; more on a machine that others use."""

    recovery_seconds: float = 10.0
    drain_seconds: float = 60.0


class Plan(NamedTuple):
    """How the seconds of one scenario are spent."""

    rate: float
    baseline: float
    strike: float
    window: float

    @classmethod
    def of(cls, jobs: int, seconds: float) -> Plan:
        """Share out the time so that about so many jobs are offered in it."""
        load = max(LEAST_LOAD_SECONDS, seconds - OVERHEAD_SECONDS)
        rate = max(1.0, jobs / load)
        window = max(3.0, min(8.0, WINDOW_JOBS / rate))
        baseline = max(3.0, min(10.0, load * 0.15))
        strike = max(4.0, load - WARM_SECONDS - baseline - 2 * window - 1.0)
        return cls(rate, baseline, strike, window)


def play(
    scenario: Scenario,
    *,
    seed: int,
    jobs: int,
    seconds: float,
    directory: Path,
    limits: Limits = Limits(),  # noqa: B008 - a value
) -> Result:
    """Play a scenario in a directory of its own, which is left for those who look into a violation."""
    result = Result(scenario.name, seed)
    lacks = scenario.lacks()
    if lacks:
        result.left_out = ", ".join(lacks)
        return result
    began = time.monotonic()
    try:
        _Run(scenario, Stage(scenario.name, directory, seed=seed), Plan.of(jobs, seconds), limits, result).go()
    except Exception as error:  # noqa: BLE001 - the other scenarios are played all the same
        result.error = f"{type(error).__name__}: {error}"
        (directory / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
    result.seconds = time.monotonic() - began
    return result


class _Run:
    def __init__(self, scenario: Scenario, stage: Stage, plan: Plan, limits: Limits, result: Result) -> None:
        self.scenario = scenario
        self.stage = stage
        self.plan = plan
        self.limits = limits
        self.result = result

    def go(self) -> None:
        stage, result = self.stage, self.result
        try:
            self._prepare()
            with self._load():
                self._warm_up()
                self._strike()
                self._recover()
                self._look_in()
            self._drain()
        finally:
            try:
                self._stop_workers()
                if stage.server.runs:
                    self._judge()
            finally:
                result.violations = stage.blames
                result.server_starts = stage.server.starts
                stage.endings.close()
                stage.server.stop("fast")

    def _prepare(self) -> None:
        stage = self.stage
        stage.server.create()
        stage.server.start()
        stage.url = stage.server.url
        with closing(stage.admin_app()) as app:
            migrate(app.pool, app.migrations)
            buckets.ensure(app.pool, "day")
            for queue, most in tasks.LIMITS.items():
                app.pool.run(act.set_limits(queue, max_in_flight=most))
        stage.ask(ORDERS)
        if self.scenario.setup is not None:
            self.scenario.setup(stage)
        stage.fleet.start(stage.workers)

    @contextmanager
    def _load(self) -> Iterator[None]:
        stage = self.stage
        command = [
            sys.executable,
            "-m",
            "chaos.load",
            "--rate",
            f"{self.plan.rate:.2f}",
            "--seed",
            str(self.result.seed),
        ]
        env = {
            **os.environ, "PYTHONPATH": python_path(), "PGFLOW_DATABASE_URL": stage.url, "PGFLOW_EMBEDDED": "0",
            "CHAOS_LEDGER": str(stage.ledger_dir), "PGFLOW_DB_ACQUIRE_TIMEOUT_SECS": "2", **stage.client_env,
        }  # fmt: skip
        with (stage.directory / "client.log").open("ab") as log:
            client = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
            client.terminate()
            code = client.wait(LEAVE_SECONDS)
            if code:
                self.result.error = f"the client ended with exit code {code}: see client.log"
        finally:
            client.kill()
            client.wait()

    def _warm_up(self) -> None:
        end = time.monotonic() + FIRST_JOBS_SECONDS
        while not measure.ended(self.stage, 0.0):
            if time.monotonic() > end:
                msg = f"no job has ended within {FIRST_JOBS_SECONDS:g} s: see worker-0.log"
                raise TimeoutError(msg)
            time.sleep(0.1)
        time.sleep(WARM_SECONDS)
        begin = time.time()
        time.sleep(self.plan.baseline)
        self.result.offered_per_second = self.plan.rate
        self.result.baseline_per_second = measure.rate_between(self.stage, begin, time.time())
        self.stage.log(f"baseline {self.result.baseline_per_second:.1f} jobs/s")

    def _strike(self) -> None:
        stage, errors = self.stage, []

        def strike() -> None:
            try:
                self.scenario.strike(stage)
            except BaseException as error:  # noqa: BLE001 - told by the thread that waits
                errors.append(error)

        began = time.monotonic()
        stage.give(self.plan.strike)
        thread = threading.Thread(target=strike, name="strike", daemon=True)
        thread.start()
        thread.join(self.plan.strike + OVERTIME_SECONDS)
        self.result.strike_seconds = time.monotonic() - began
        if thread.is_alive():
            msg = f"the faults of {self.scenario.name} have not ended {OVERTIME_SECONDS:g} s after their time"
            raise TimeoutError(msg)
        if errors:
            raise errors[0]
        stage.log("the faults have ended")

    def _recover(self) -> None:
        wanted = min(self.result.baseline_per_second, self.plan.rate)
        limit = self.limits.recovery_seconds
        took = measure.wait_until_back(self.stage, time.time(), wanted, window=self.plan.window, limit=limit)
        self.result.recovery_seconds = took
        if took is None:
            self.stage.blame("R1", 1, f"{wanted:.0f} jobs/s", f"not back to 90 % within {limit:g} s after the faults")

    def _look_in(self) -> None:
        # under load still: no lease may be overdue now, and what moves must be seen in one place or the other
        with closing(self.stage.admin_app()) as app:
            found = audit(app.pool, Scope(reap_seconds=self.stage.reap_seconds))
        self.stage.blames += [{**asdict(each), "detail": f"{each.detail} (under load)"} for each in found]

    def _drain(self) -> None:
        limit = self.limits.drain_seconds
        took, left = measure.wait_until_drained(self.stage, limit)
        if not any(left):
            self.result.drain_seconds = took
        else:
            sample = "ready {}, scheduled {}, leases {}".format(*left)
            self.stage.blame("R2", sum(left), sample, f"not drained within {limit:g} s after the load")

    def _stop_workers(self) -> None:
        fleet = self.stage.fleet
        codes = fleet.stop()
        self.result.kills, self.result.worker_starts = fleet.kills, fleet.starts
        if any(codes):
            detail = "workers did not end by themselves with exit code 0 when told to"
            self.stage.blame("R3", sum(map(bool, codes)), str(codes), detail)
        orphans = fleet.orphans()
        if orphans:
            self.stage.blame("R4", len(orphans), str(orphans[0]), "processes of workers outlive them")

    def _judge(self) -> None:
        stage, result = self.stage, self.result
        result.attempts = measure.outcomes(stage)
        kinds = Counter(entry["what"] for entry in ledger.read(stage.ledger_dir))
        result.asked, result.enqueued, result.unanswered, result.refused, result.rolled_back = (
            kinds[kind] for kind in ("asked", "enqueued", "unanswered", "refused", "rolled_back")
        )
        if self.scenario.verify is not None:
            self.scenario.verify(stage)
        found = checker.check(
            stage.direct_url,
            stage.ledger_dir,
            settled=result.drain_seconds is not None,
            limits=tasks.LIMITS,
            orders_table="orders",
            reap_seconds=stage.reap_seconds,
            **stage.checks,
        )
        stage.blames += [asdict(violation) for violation in found]
