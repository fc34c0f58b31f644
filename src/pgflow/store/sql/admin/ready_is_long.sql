-- Whether ready holds more entries than it is cheap to sort.
select count(*) > %(bound)s from (
  select from pgflow.ready where %(queue)s::text is null or queue = %(queue)s limit %(bound)s + 1) as r
