-- What is done to a sound life, each by the invariant and the way it is broken; {name} is the id of a job of `busy.shown`.

-- I3: overlap
update pgflow.attempts set started_at = started_at - interval '1 h' where job_id = {late} and attempt = 2;

-- I3: backwards
update pgflow.attempts set finished_at = started_at - interval '1 ms' where job_id = {ok};

-- I3: twice
insert into pgflow.scheduled select run_at, job_id, queue, rank, attempt, spent, suspect, alone from pgflow.ready
  where job_id = {waits};

-- I3: ended
insert into pgflow.ready select 'ok', 0, run_at, id, 2, 0, false, false from pgflow.jobs where id = {ok};

-- I3: claimed
update pgflow.leases set claimed_at = claimed_at - interval '1 h' where job_ids @> array[{held}];

-- I4: gap
update pgflow.attempts set attempt = 3 where job_id = {late} and attempt = 2;

-- I4: number
update pgflow.scheduled set attempt = 9 where job_id = {tried};

-- I4: spent
update pgflow.attempts set spent = 5 where job_id = {late} and attempt = 2;

-- I4: spent
update pgflow.ready set spent = 1 where job_id = {waits};

-- I4: failures
update pgflow.jobs set max_attempts = 1 where id = {dead};

-- I4: allowance
update pgflow.attempts set spent = null where job_id = {retried} and error_code = 'RUN_NOW';
update pgflow.ready set spent = 0 where job_id = {retried};

-- I4: guilty
update pgflow.attempts set outcome = 'released', error_code = 'SHUTDOWN' where job_id = {crashed} and attempt = 1;
update pgflow.stats set count = count - 1 where task = 'crashed' and outcome = 'lost';
insert into pgflow.stats select date_bin('10 s', now(), '2000-01-01'), 'crashed', 'crashed', 'w1', 'released', 1, 0,
  0, pgflow.histogram('{{}}'), pgflow.histogram('{{}}');

-- I4: guilty
update pgflow.dead_letters set reason_code = 'WORKER_CRASHED' where job_id = {dead};

-- I4: suspect
update pgflow.scheduled set suspect = false where job_id = {lost};

-- I4: suspect
update pgflow.scheduled set alone = false where job_id = {lost};

-- I5: revived
update pgflow.attempts set outcome = 'cancelled', next_run_at = null where job_id = {back} and attempt = 1;
update pgflow.stats set count = 1 where task = 'back';
insert into pgflow.stats select date_bin('10 s', now(), '2000-01-01'), 'back', 'back', 'w1', 'cancelled', 1, 0, 0,
  pgflow.histogram('{{}}'), pgflow.histogram('{{}}');

-- I5: next run
update pgflow.attempts set next_run_at = null where job_id = {tried} and attempt = 1;

-- I5: next run
update pgflow.attempts set next_run_at = now() where job_id = {ok};

-- I5: dropped
delete from pgflow.scheduled where job_id = {tried};

-- I5: dropped
delete from pgflow.leases where job_ids @> array[{held}];

-- I5: misfiled
update pgflow.ready set rank = 7 where job_id = {waits};

-- I5: orphan
insert into pgflow.ready values ('q', 0, now(), gen_random_uuid(), 1, 0, false, false);

-- I5: letter
update pgflow.dead_letters set attempt = 1 where job_id = {dead};

-- I5: letter
insert into pgflow.dead_letters values ({ok}, now(), 1, 'ok', 'ok', 'NON_RETRYABLE');

-- I5: unburied
delete from pgflow.dead_letters where job_id = {buried};

-- I7: ring
update pgflow.jobs set replay_of = {replay}, root_id = {dead} where id = {dead};

-- I7: root
update pgflow.jobs set root_id = {ok} where id = {replay};

-- I7: early
update pgflow.jobs set replay_of = {tried}, root_id = {tried} where id = {replay};
update pgflow.dead_letters set replayed_as = null where job_id = {dead};

-- I7: letter
update pgflow.dead_letters set replayed_as = {ok} where job_id = {dead};

-- I7: letter
update pgflow.dead_letters set replayed_as = pgflow.uuid_restamp(gen_random_uuid(), now())where job_id = {dead};

-- I7: unmarked
update pgflow.dead_letters set replayed_as = null, dead_at = dead_at - interval '1 min' where job_id = {dead};

-- I8: stored
update pgflow.decisions set job_id = {ok};

-- I8: count
update pgflow.decisions set count = 0;

-- I8: count
update pgflow.decisions set last_at = created_at - interval '1 s';

-- I9: missing
update pgflow.stats set count = count - 1 where outcome = 'cancelled';

-- I9: missing
delete from pgflow.stats where outcome = 'lost' and task = 'lost';

-- I9: surplus
update pgflow.stats set count = count + 1 where outcome = 'dead' and task = 'dead';

-- I9: surplus
insert into pgflow.stats select date_bin('10 s', now(), '2000-01-01'), 'nothing', 'nothing', 'w1', 'cancelled', 1, 0,
  0, pgflow.histogram('{{}}'), pgflow.histogram('{{}}');

-- I9: histogram
update pgflow.stats set run_histogram = pgflow.histogram('{{}}') where task = 'ok';

-- I12: never
delete from pgflow.ready where job_id = {waits};

-- I12: again
insert into pgflow.attempts (job_id, attempt, outcome, finished_at) values ({ok}, 2, 'cancelled', now());
insert into pgflow.stats select date_bin('10 s', now(), '2000-01-01'), 'ok', 'ok', '-', 'cancelled', 1, 0, 0,
  pgflow.histogram('{{}}'), pgflow.histogram('{{}}');

-- I12: unrun
update pgflow.attempts set started_at = null where job_id = {ok};
