-- Who has a turn, and for how many seconds more at most without a sign of life.
select taken_by, extract(epoch from taken_until - clock_timestamp())::double precision
from pgflow.turns where name = %(name)s
