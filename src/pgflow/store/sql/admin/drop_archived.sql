-- Throw one archived bucket away.
select pgflow.drop_archived(%(name)s)
