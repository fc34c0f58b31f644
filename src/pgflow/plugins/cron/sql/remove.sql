-- Remove a dynamic schedule; jobs it has made stay.
delete from pgflow.schedules where name = %(name)s and kind = 'dynamic' returning name
