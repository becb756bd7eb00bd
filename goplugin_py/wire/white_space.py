"""White space as Go knows it.

Layer: wire. Python counts four more characters, U+001C to U+001F, so that its `strip`
accepts what a Go peer refuses.
"""

# Go: unicode.IsSpace
_WHITE_SPACE = (
    "\t\n\v\f\r \u0085\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def trim(text: str) -> str:
    """Return the text without white space around it (Go: `strings.TrimSpace`)."""
    return text.strip(_WHITE_SPACE)
