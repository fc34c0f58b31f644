-- Keep what was changed, or was refused, through the admin.
insert into pgflow.audit (status, actor, action, resource, result)
values (%(status)s, %(actor)s, %(action)s, %(resource)s, %(result)s::json)
