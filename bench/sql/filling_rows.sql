-- Jobs over so many days until two minutes ago. Of the newest tenth 40 % are queued, 10 % running, 5 % scheduled and
-- 5 % retrying; of the rest 2 % are dead, 1 % cancelled, and 3 % of those that succeeded did so on their second run.
-- One job in twenty is the child of the one before it; one of the newest tenth has a family of 1,500.
insert into filling
with ends as materialized (
  select clock_timestamp() - interval '2 min' as at
), numbered as (
  select n, e.at as last_at, e.at - (%(jobs)s - n) * (%(days)s * interval '1 day' / %(jobs)s) as created_at,
    n > 0.9 * %(jobs)s as is_new, (0.95 * %(jobs)s)::integer + 7 as eldest,
    (hashint4extended(n, 1) & 1023) / 1024.0 as place, (hashint4extended(n, 2) & 1023) / 1024.0 as fate,
    (hashint4extended(n, 3) & 1048575)::integer as dice
  from generate_series(1, %(jobs)s) as n cross join ends as e
), placed as (
  select n.*, dice %% 10 as queue, dice / 10 %% 2 as task, dice / 20 %% 4 as worker, dice / 80 %% 12 as speed,
    case when is_new and place < 0.40 then 'queued' when is_new and place < 0.50 then 'running'
      when is_new and place < 0.55 then 'scheduled' when is_new and place < 0.60 then 'retrying'
      when fate < 0.0213 then 'dead' when fate < 0.0319 then 'cancelled' else 'succeeded' end as state
  from numbered as n
)
select n, (lpad(to_hex((extract(epoch from created_at) * 1000)::bigint), 12, '0') || '7'
    || lpad(to_hex(n %% 4096), 3, '0') || '8' || left(md5(n::text), 15))::uuid,
  created_at, 'queue-' || queue, 'bench.task_' || lpad((2 * queue + task)::text, 2, '0'),
  'worker-' || queue || '-' || worker, state, last_at + interval '1 hour' + fate * interval '1 day',
  date_trunc('minute', created_at) + interval '60 s' + (n %% 4) * interval '2 s', 0.002 * 2 ^ speed,
  state in ('dead', 'retrying') or state = 'succeeded' and fate > 0.97,
  case when n > eldest and n <= eldest + 1500 then eldest when n %% 20 = 0 then n - 1 end
from placed
