"""Runs a command on a terminal of its own, presses Ctrl-C there, and tells as JSON how it ended.

argv[1]: {"command": [...], "cwd": str, "columns": int, "after": text that is waited for ("" for the start),
"delay": seconds from there, "presses": how often, "between": seconds, "patience": seconds after the first press}
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

asked = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.chdir(asked["cwd"])
    os.execvp(asked["command"][0], asked["command"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, asked["columns"], 0, 0))

output = b""
begun = time.monotonic()
due = begun + asked["delay"] if asked["after"] == "" else None
first = None
presses = asked["presses"]
hung = False
while True:
    now = time.monotonic()
    if due is None and asked["after"].encode() in output:
        due = now + asked["delay"]
    if due is not None and presses > 0 and now >= due:
        os.write(terminal, b"\x03")
        presses -= 1
        first = first or now
        due = now + asked["between"]
    if (first and now > first + asked["patience"]) or now > begun + 240:
        hung = True
        os.killpg(child, signal.SIGKILL)
        break
    if select.select([terminal], [], [], 0.02)[0]:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            read = b""
        if not read:
            break
        output += read
status = os.waitpid(child, 0)[1]
code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
print(json.dumps({
    "code": code, "hung": hung, "pressed": first is not None,
    "seconds": time.monotonic() - first if first else None, "output": output.decode("utf-8", "replace"),
}))
