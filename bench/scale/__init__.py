"""What several worker processes and hosts do on one PostgreSQL: rate, CPU, contention, connections."""
