"""The local endpoint: routes, documents, pages and streams over what the rounds publish."""
