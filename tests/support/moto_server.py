"""Moto's server for a test: prints its address and ends with the process that started it.

usage: moto_server.py [PORT]   (0, the default, takes a free one)
"""

import os
import sys
import time

from moto.server import ThreadedMotoServer

parent = os.getppid()
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
while os.getppid() == parent:
    time.sleep(0.2)
