"""Key policies: read them, decide what they allow, judge them by rules, render them, open and close the window. Pure."""
