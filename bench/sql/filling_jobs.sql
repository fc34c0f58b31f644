-- The jobs.
insert into pgflow.jobs (id, created_at, run_at, priority, max_attempts, keep_result, queue, task, args, kwargs, headers,
  parent_id, root_id)
select f.id, f.created_at, case when f.state = 'scheduled' then f.next_at else f.created_at end, f.n % 3, 2, false,
  f.queue, f.task, '[]', json_build_object('order', json_build_object('id', f.n), 'to', 'someone@example.com'),
  case when f.n % 10 = 0 then json_build_object('tags', json_build_array('customer-' || f.n % 1000)) end, r.id, r.id
from filling as f left join filling as r on r.n = f.root
order by f.n
