-- Take one bucket out, and throw it away where that is wished.
select pgflow.remove_bucket(%(name)s, %(drop)s)
