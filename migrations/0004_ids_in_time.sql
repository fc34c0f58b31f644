-- The id under which a job is stored whose own is more than 60 s off the database's clock: its own where the job
-- is here already, asked for again by a process that stood still after a lost answer; else one stamped anew.
-- In plpgsql it costs an enqueue that does not call it nothing: in SQL it would be parsed with each plan.
create function pgflow.id_in_time(asked uuid, moment timestamptz) returns uuid
  language plpgsql stable strict as $$
begin
  if exists (select from pgflow.jobs where id = asked) then
    return asked;
  end if;
  return pgflow.uuid_restamp(asked, moment);
end
$$;
