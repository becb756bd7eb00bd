"""The services that go-plugin runs beside the user's, on both sides."""
