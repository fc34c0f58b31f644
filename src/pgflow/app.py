"""App: the registry of tasks and the wiring of store, hooks and worker; nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar, Unpack, overload
from weakref import WeakSet

from pgflow.codec import encode_arguments
from pgflow.database import Database
from pgflow.door import StoreDoor
from pgflow.errors import PluginError, TaskDefinitionError
from pgflow.handle import Job
from pgflow.house import House
from pgflow.ids import parse_id
from pgflow.model import check_name
from pgflow.settings import Settings
from pgflow.store.admin import act
from pgflow.store.migrate import of_plugins
from pgflow.store.pool import Pool
from pgflow.task import BindingDecorator, SendKeywords, Task, TaskDecorator, TaskKeywords, TaskOptions, make_task
from pgflow.task.sending import make_template
from pgflow.worker.options import WorkerOptions
from pgflow.worker.vitals import vitals
from pgflow.worker.worker import Worker

if TYPE_CHECKING:
    from datetime import datetime

    from pgflow.hooks import HealthCheck, Hooks, PluginInfo
    from pgflow.store.migrate import Migration

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

READING_SECONDS: Final = 2.0


class App:
    """The tasks of one application and the database they go through.

    Settings given as keywords outrank the environment; both are read, and the database opened, on first use.
    """

    def __init__(
        self, name: str = "app", *, dsn: str | None = None, plugins: Sequence[object] = (), **settings: Any
    ) -> None:
        self.name = check_name("app", name)
        self._given = {"database_url": dsn, **settings} if dsn is not None else dict(settings)
        self._tasks: dict[str, Task[..., Any]] = {}
        self.house = House(self, plugins)  # pyright: ignore[reportArgumentType] - as of the door
        self._pool: Pool | None = None
        self._reads: Pool | None = None
        self._lock = threading.RLock()
        self._workers: WeakSet[Worker] = WeakSet()
        self.door = StoreDoor(self)  # pyright: ignore[reportArgumentType] - cached_property is a property too

    def configure(self, **settings: Any) -> None:
        """Change settings, the database among them (`database_url=…`); what was opened is closed first."""
        self.close()
        for read in ("settings", "database"):
            self.__dict__.pop(read, None)
        self.house.forget()
        self._given.update(settings)

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, *, bind: Literal[True], **keywords: Unpack[TaskKeywords]) -> BindingDecorator: ...
    @overload
    def task(self, *, bind: Literal[False] = False, **keywords: Unpack[TaskKeywords]) -> TaskDecorator: ...
    def task(self, function: Callable[..., Any] | None = None, **keywords: Any) -> Any:
        """Declare a function a task of this app; see the reference of tasks for the keywords.

        Raises `TaskDefinitionError` for a function that cannot be one, an unknown keyword, or a name taken.
        """
        if function is not None:
            return self._declare(function, keywords)
        return lambda declared: self._declare(declared, keywords)

    def use(self, plugin: object) -> None:
        """Add a plugin of the app's own, as `App(plugins=[…])` does. Raises `PluginError` once the app has started."""
        self.house.use(plugin)

    def middleware(self, function: F) -> F:
        """Wrap the runs of this app's tasks.

        A generator function of `(job)` that yields once wraps every task; a function of `(job, call)` that returns
        `call()` too; an async one, which may await, wraps async tasks only.
        """
        self.house.wrap(function)
        return function

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The tasks declared so far, by name."""
        return MappingProxyType(self._tasks)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues the declared tasks go to, and `default`."""
        return tuple(dict.fromkeys(["default", *(task.declared.queue for task in self._tasks.values())]))

    def enqueue(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SendKeywords],
    ) -> Job[Any]:
        """Store a job for a task by its name, declared here or elsewhere. Raises as `Task.enqueue` does."""
        job = self._named(name, args, kwargs or {}, options)
        return Job(self.door.put([job], options.get("conn"))[0], self.door)

    async def aenqueue(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SendKeywords],
    ) -> Job[Any]:
        """Store a job by its task's name, leaving the event loop free."""
        job = self._named(name, args, kwargs or {}, options)
        return Job((await self.door.aput([job], options.get("conn")))[0], self.door)

    def job(self, job_id: object) -> Job[Any]:
        """Give the handle of a job. Raises `JobNotFoundError` where this cannot be an id."""
        return Job(parse_id(job_id), self.door)

    def cancel(self, job_id: object, *, by: str | None = None) -> str:
        """Cancel a job; gives `cancelled`, or `asked` where it runs and its worker has yet to hear of it.

        Raises `JobNotFoundError`, or `JobStateError` where it has ended.
        """
        return self.pool.together(lambda run: act.cancel(run, _id_of(job_id), by=by)).result

    def retry(self, job_id: object) -> None:
        """Run a job now: a dead one once more, a scheduled or retrying one at once. Raises `JobStateError`."""
        self.pool.together(lambda run: act.retry(run, _id_of(job_id)))

    def replay(self, job_id: object, *, queue: str | None = None, run_at: datetime | None = None) -> Job[Any]:
        """Make a new job like one that has ended, with its lineage. Raises `JobNotFoundError`, `JobStateError`."""
        source = self.pool.run(act.source(_id_of(job_id)))
        return Job(self.door.replay(source.new_job(self.door.ids.make(), queue=queue, run_at=run_at)), self.door)

    def worker(
        self, *, queues: Sequence[str] | None = None, burst: bool = False, until_settled: bool = False
    ) -> Worker:
        """Make a worker of this app's tasks, to be run once with `await worker.run()`."""
        hooks = self.hooks  # plugins may declare tasks, whose queues count
        chosen = queues or self.settings.queue or self.queues
        options = WorkerOptions.of(self.settings, chosen, burst=burst, until_settled=until_settled)
        worker = Worker(self.pool, self._tasks, options, self, hooks)
        with self._lock:
            self._workers.add(worker)
        return worker

    def worker_health(self) -> list[HealthCheck]:
        """Give the checks of this app's workers that run in this process; the database is not asked.

        Those that block say that a worker does no work: that it cannot claim, for one.
        """
        with self._lock:
            running = [worker for worker in self._workers if worker.started and not worker.ended]
        return [check for worker in running for check in vitals(worker)]

    def admin_asgi(self) -> Callable[..., Any]:
        """Give the admin as an ASGI app, to be served or mounted. Raises `PluginError` where it is switched off."""
        made = self.hooks.admin_app(self)
        if made is None:
            msg = "no plugin makes the admin: it is switched off or in quarantine, see `pgflow plugins`"
            raise PluginError(msg)
        return made

    @cached_property
    def settings(self) -> Settings:
        """What is set, read once. Raises `SettingsError`."""
        return Settings.read(**self._given)

    @property
    def hooks(self) -> Hooks:
        """The plugins' hooks; the plugins are loaded and configured on first use. Raises `PluginError`."""
        return self.house.hooks

    @property
    def plugins(self) -> list[PluginInfo]:
        """The plugins that are installed or given, switched off and broken ones too."""
        return list(self.hooks.plugins.listed)

    @property
    def migrations(self) -> tuple[Migration, ...]:
        """The migrations of this app's plugins."""
        return of_plugins(self.hooks.migrations())

    @property
    def pool(self) -> Pool:
        """The store's connections. Raises `DatabaseUnavailableError` where the database cannot be reached."""
        with self._lock:
            if self._pool is None:
                self._pool = self.database.open(lambda: self.migrations)
            return self._pool

    @property
    def db(self) -> Pool:
        """The door for a plugin's own statements: `app.db.run(statement)` and `await app.db.arun(statement)`."""
        return self.pool

    @property
    def reads(self) -> Pool:
        """Two connections for those who only look: read-only, each statement stopped after 2 s."""
        pool = self.pool
        with self._lock:
            if self._reads is None:
                seconds = min(self.settings.db_acquire_timeout_secs, READING_SECONDS)
                self._reads = pool.beside(size=2, acquire_seconds=seconds, reading_seconds=READING_SECONDS)
            return self._reads

    @cached_property
    def database(self) -> Database:
        """The database this app is told to use."""
        return Database(self.settings)

    def close(self) -> None:
        """Close the connections, and give the embedded server back where it was used."""
        with self._lock:
            pool, self._pool = self._pool, None
            reads, self._reads = self._reads, None
            if reads is not None:
                reads.close()
            if pool is not None:
                pool.close()
                self.database.close()

    def _declare(self, function: Callable[..., Any], keywords: Mapping[str, Any]) -> Task[..., Any]:
        task = make_task(function, self.door, keywords, self.house.options_for(keywords))
        if task.name in self._tasks:
            first = self._tasks[task.name].function
            msg = f"two tasks are called {task.name}: {_place(first)} and {_place(function)}; give one a name=…"
            raise TaskDefinitionError(msg)
        self._tasks[task.name] = task
        self.house.declared(task)
        return task

    def _named(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        task = self._tasks.get(check_name("task", name))
        declared = task.declared if task else TaskOptions(name=name)
        if task is not None:
            task.check_call(args, kwargs)
        template = make_template(declared, options)
        return template.with_call(self.door.ids.make(), *encode_arguments(args, kwargs))


def _id_of(job: object) -> str:
    return job.id if isinstance(job, Job) else parse_id(job)


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
