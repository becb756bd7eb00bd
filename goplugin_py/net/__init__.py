"""Sockets, and the one loop thread that relays between them."""
