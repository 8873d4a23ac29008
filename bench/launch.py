"""`python launch.py REPORT COMMAND...`: run a command, write what it took to REPORT.

A small process between: a child's peak counts from its parent's, which for the benchmark itself
is hundreds of megabytes.
"""

import json
import os
import sys
import time

report, *command = sys.argv[1:]
start = time.perf_counter()
process = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
with open(report, "w") as file:
    cpu_s = usage.ru_utime + usage.ru_stime
    json.dump({"seconds": seconds, "cpu_s": cpu_s, "peak_bytes": usage.ru_maxrss * unit}, file)
sys.exit(os.waitstatus_to_exitcode(status))
