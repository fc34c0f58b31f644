-- How many claims of a queue were charged in the last 60 s; the second in which that began counts whole.
select coalesce(sum(count), 0)::bigint from pgflow.rates
where kind = 'claim' and queue = %(queue)s
  and second >= date_trunc('second', clock_timestamp()) - interval '60 s'
