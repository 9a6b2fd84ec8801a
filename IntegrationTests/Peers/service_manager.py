"""In systemd's place: keeps the descriptors that a service stores (FDSTORE=1 of sd_notify(3)), and
starts the service anew with them (sd_listen_fds(3)).

    service_manager.py COMMAND...

Says `started PID`. Each line on stdin restarts: SIGTERM, wait for the end, start. The end of stdin
stops the service.
"""

import os
import signal
import socket
import sys
import threading

store = {}  # name -> descriptors
stored = threading.Condition()


def listen(notifications):
    while True:
        data, descriptors, _, _ = socket.recv_fds(notifications, 65536, 16)
        fields = dict(line.split("=", 1) for line in data.decode().split("\n") if "=" in line)
        with stored:
            if fields.get("FDSTORE") == "1":
                name = fields.get("FDNAME", "stored")
                known = {os.fstat(held).st_ino for held in store.get(name, [])}
                for descriptor in descriptors:
                    # A socket that is kept already is not kept twice.
                    if os.fstat(descriptor).st_ino in known:
                        os.close(descriptor)
                    else:
                        store.setdefault(name, []).append(descriptor)
                stored.notify_all()
            else:
                for descriptor in descriptors:
                    os.close(descriptor)


def start(command, notify_socket):
    with stored:
        passed = [(name, fd) for name, held in store.items() for fd in held]
    pid = os.fork()
    if pid == 0:
        try:
            environment = dict(os.environ, NOTIFY_SOCKET=notify_socket)
            if passed:
                environment["LISTEN_PID"] = str(os.getpid())
                environment["LISTEN_FDS"] = str(len(passed))
                environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in passed)
            high = [os.dup2(fd, 100 + i) for i, (_, fd) in enumerate(passed)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
            os.closerange(3 + len(high), 200)
            os.execve(command[0], command, environment)
        finally:
            os._exit(127)
    print("started", pid, flush=True)
    return pid


def main():
    name = "\0endpoints-manager-%d" % os.getpid()
    notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifications.bind(name)
    threading.Thread(target=listen, args=(notifications,), daemon=True).start()
    command = sys.argv[1:]
    pid = start(command, "@" + name[1:])
    for _ in sys.stdin:
        with stored:
            stored.wait_for(lambda: store, timeout=30)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        pid = start(command, "@" + name[1:])
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


main()
