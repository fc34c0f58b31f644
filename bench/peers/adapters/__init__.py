"""One small program a system, which enqueues and works as that system's own users would.

Each runs in the environment its system is installed in, so it imports the standard library, anyio and that system.
"""
