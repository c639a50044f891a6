"""The output of executions: its model, its limits and its handlers."""
