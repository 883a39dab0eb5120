"""What trace logs of both sides of live migrations say about downtime: device by device, in total, and on the clock."""
