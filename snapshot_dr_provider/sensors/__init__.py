"""Gates between the stages."""
