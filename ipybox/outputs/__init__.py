"""What an execution leaves: the output model, and the handlers that turn it into values."""
