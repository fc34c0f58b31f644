-- The database's clock, in microseconds since 2000 as COPY's binary format has it; and what is copied is UTF-8.
select cast(extract(epoch from clock_timestamp() - timestamptz '2000-01-01 00:00+00') * 1000000 as bigint),
  set_config('client_encoding', 'UTF8', true)
