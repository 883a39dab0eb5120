"""Moving device state from one machine to another: handlers, source, destination, modes. State machines without IO.

Knows sections, device states and the order of a migration; knows no file format beyond the stream and no report.
"""
