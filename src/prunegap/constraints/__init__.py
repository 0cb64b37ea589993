"""What is measured, what is differentiated, and the multipliers between them."""
