"""HTTP and WebSocket to a kernel gateway, and nothing above them."""
