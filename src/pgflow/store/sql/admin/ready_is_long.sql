-- Whether ready holds more entries than it is cheap to sort.
select exists (
  select from pgflow.ready where %(queue)s::text is null or queue = %(queue)s offset %(bound)s)
