-- What a request's key stands for, while its day lasts.
select k.job_id::text, k.request_hash from pgflow.unique_keys as k
where k.scope = 'request' and k.key = %(key)s and k.expires_at > clock_timestamp()
