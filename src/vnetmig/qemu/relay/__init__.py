"""Between two live QEMUs: a migration passed on, followed, and where asked for checked or changed, as it goes by.

`gate` (which bytes may go on), `checking` and `rewriting` do no IO; `relay` moves bytes between sockets.
"""
