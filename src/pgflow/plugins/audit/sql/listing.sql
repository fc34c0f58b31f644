-- The newest entries before an id; a filter that is null lets everything pass.
select a.id, a.at, a.actor, a.action, a.resource, a.status, a.result
from pgflow.audit as a
where a.id < %(before)s::bigint
  and (%(actor)s::text is null or a.actor = %(actor)s)
  and (%(action)s::text is null or a.action = %(action)s)
order by a.id desc limit %(most)s::integer
