"""Starting, reading and ending plugin processes."""
