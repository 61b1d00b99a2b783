"""Publishing twins on the Hugging Face Hub, and loading them from there."""
