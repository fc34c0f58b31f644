-- Hold a session's statements to so many milliseconds, save where its role or its address asks for less:
-- one whose caller has gone must not commit minutes later, nor wait for a lock for ever. A statement alone has the
-- isolation its session prefers: under repeatable read the fence raises, and a count behind a lock is older than the lock.
-- And without JIT: of a statement over partitions that was planned on empty tables it compiles seconds of code.
select set_config('default_transaction_isolation', 'read committed', false), set_config('jit', %(jit)s, false)
union all
select set_config(b.name, case when s.held >= interval '1 ms' and s.held <= b.ms::integer * interval '1 ms'
  then current_setting(b.name) else b.ms end, false), null
from json_each_text(%(bounds)s::json) as b (name, ms), lateral (select current_setting(b.name)::interval as held) as s
