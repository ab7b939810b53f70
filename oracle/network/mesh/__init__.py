"""The mesh: links between operators over WebSockets that carry opaque bytes; nothing of it is trusted."""
