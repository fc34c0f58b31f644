"""Everything that speaks SQL: statements as values, and the pool that runs them."""
