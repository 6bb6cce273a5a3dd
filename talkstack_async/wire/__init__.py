"""What goes over the wire, as values: no sockets, no waiting, no clock."""
