"""What happens while no worker is held: rounds of copying, and waiting for copies to complete."""
