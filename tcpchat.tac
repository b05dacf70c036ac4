"""Run with ``twistd -noy tcpchat.tac``: the same daemon as ``twistd -n tcpchat``, with its defaults.

Settings come from the environment (TCPCHAT_CONFIG names a file of them); further options can be put into the list
below, as on the command line.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from twisted.application.service import Application

from tcpchat.server.service import Options, makeService

options = Options()
options.parseOptions([])

application = Application("tcpchat")
makeService(options).setServiceParent(application)
