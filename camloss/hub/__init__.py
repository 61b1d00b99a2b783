"""Publishing pairs on the Hugging Face Hub, and loading them from there."""
