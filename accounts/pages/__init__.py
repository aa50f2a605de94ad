"""Pages for people: signing in and out, their account, invitations."""
