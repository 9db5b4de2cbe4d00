"""One module for each modular pipeline."""
