-- The time, by the one clock that counts.
select clock_timestamp()
