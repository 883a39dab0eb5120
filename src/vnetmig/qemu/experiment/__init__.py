"""Two arms of a real QEMU, migrated in turns: what they differ in, how their machines are started, what is kept.

Processes, sockets and files are here; what the measurements mean is the analysis layer's.
"""
