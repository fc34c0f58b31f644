-- What a new connection has to know: the database's clock, in seconds since 1970, and which process answers.
select extract(epoch from clock_timestamp())::double precision, pg_backend_pid()
