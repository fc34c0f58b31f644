-- How many hand-overs ended how in the last so many seconds, or on all record.
select outcome::text, sum(count)::bigint from pgflow.stats
where %(seconds)s::double precision is null
  or bucket >= clock_timestamp() - %(seconds)s::double precision * interval '1 s'
group by outcome order by outcome
