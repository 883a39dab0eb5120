"""A real QEMU: asked over QMP, and what a destination is, from wherever it is described.

Knows processes and sockets; imports nothing of QMP before it is used (the extra ``vnetmig[live]``).
"""
