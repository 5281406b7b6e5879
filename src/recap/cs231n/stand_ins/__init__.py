"""What the course's notebooks import beside `cs231n`, where it is not installed."""
