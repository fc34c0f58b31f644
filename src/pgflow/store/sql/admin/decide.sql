-- Keep what a guardrail or a policy decided.
insert into pgflow.decisions (kind, queue, task, job_id, decision, reason_code, details)
values (%(kind)s, %(queue)s, %(task)s, %(job_id)s::uuid, %(decision)s, %(reason_code)s, %(details)s::json)
returning id
