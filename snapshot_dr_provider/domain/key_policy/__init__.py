"""Key policies: read, decide what they allow, judge by rules, render, open and close the window. Pure."""
