"""The pytest plugin: fixtures that give a test a database of its own."""
