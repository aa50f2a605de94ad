"""Pages for people: their phone number."""
