"""The description of the endpoint that /openapi.json serves."""
