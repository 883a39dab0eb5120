"""Where migration bytes come from and go to: sockets, file descriptors and files behind one interface.

Knows the operating system; knows nothing of migrations. Nothing else in this package's layer and below opens a socket.
"""
