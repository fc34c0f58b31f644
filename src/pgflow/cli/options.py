from pgflow.commands.options import *  # noqa
