"""CS231n's package `cs231n` on recap's code: the course's notebooks run on it unchanged."""
