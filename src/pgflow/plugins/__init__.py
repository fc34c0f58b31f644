"""The built-in plugins, each written exactly as an outsider would write it."""
