"""A pool of threads, and children by subprocess and by fork: a Python program for a recorder.

    python3 pool.py

Prints `squares <sum>` and `children <lines>`, and ends with 4.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def square(number):
    return number * number


def child(number):
    done = subprocess.run(["sh", "-c", f"echo {number}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main():
    with ThreadPoolExecutor(max_workers=16) as pool:
        print("squares", sum(pool.map(square, range(1000))))
    with ThreadPoolExecutor(max_workers=4) as pool:
        print("children", " ".join(pool.map(child, range(12))))
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return 4


sys.exit(main())
