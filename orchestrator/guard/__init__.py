"""The guard before the Docker socket, for the orchestrator: code execution in the web process must
not become root on this machine.

Whoever may write to the socket is root. So the web process does not have it; this small service
does, in a container of its own, on a network that only the orchestrator shares. Policy:

- Calls are allow-listed by method, path and each query parameter (`calls.py`).
- A container is created only as `keys.py` and `creation.py` describe: sandboxed, on the instances'
  networks, from an image of the catalogue, with this stack's labels. The body is read strictly, and
  what goes to the engine is what was understood, never the bytes that came.
- Nothing but this stack's labelled containers is seen, started, unpaused, removed or given one of
  two shares of the CPU (`service.py`). They are told by a look at their labels, which nobody can
  change, and named to the engine by the id that was looked at, which is never another's.
- In an instance, the terminal that its distribution offers is executed, and the program that packs
  it to be taken away, word by word and as the instance's own user, and nothing else (`execs.py`). A
  terminal's connection is handed on as it comes (`handover.py`); the other's output is read.
- Only the catalogue's images are built, pulled or looked at; else the next `make up` might start
  from a `debian:trixie-slim` that a visitor wrote. What is built is this service's own copy of the
  catalogue (`contexts.py`). Only images without a name are removed.
- What is not understood is refused (403), with a sentence for the log that says why.
"""
