"""One small program a system, which enqueues and works as that system's own users would; nothing here knows pgflow's rest.

Each runs in the environment its system is installed in, so it imports the standard library, anyio and that system.
"""
