"""How good and how fast the gateway is: real processes, real sockets, loopback only."""
