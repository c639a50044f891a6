"""What backends share that speak to a container engine over its API."""
