-- Let a request's key stand for the job that was given: the holder of its unique key, or one of a mended id.
update pgflow.unique_keys set job_id = %(job_id)s::uuid where scope = 'request' and key = %(key)s
