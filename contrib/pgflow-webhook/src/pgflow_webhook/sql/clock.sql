-- The database's time, by which deliveries are dated.
select clock_timestamp()
