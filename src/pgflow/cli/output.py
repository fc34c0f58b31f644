from pgflow.commands.output import *  # noqa
