from pgflow.commands.load import *  # noqa
